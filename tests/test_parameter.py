"""Declared parameters: the constructor, the constraints and the entries of docstrings that follow from them."""

import inspect
import pickle
from numbers import Real

import pytest
from numpydoc.docscrape import NumpyDocString
from sklearn.base import BaseEstimator, clone

from skreg import (
    RegularizedMLPClassifier,
    RegularizedMLPClassifierCV,
    RegularizedMLPRegressor,
    RegularizedMLPRegressorCV,
)
from skreg._parameter import parameter, parameters_of, with_parameters
from skreg._sklearn_private import Interval, validate_parameter_constraints

# Compared by identity; a function is its own copy.
PATIENCE = len


def declared(default, **options):
    return parameter("float", "A number.", **{"default": default, "constraints": [Real], **options})


@with_parameters
class Shared(BaseEstimator):
    size: float = declared(3, kw_only=False)
    rate: float = declared(0.5)
    patience: object = declared(PATIENCE, constraints=[object])


@with_parameters
class Trained(Shared):
    """Has a parameter in the middle and one at the end."""

    strength: float = parameter(
        "float or None",
        """Strength of the penalty,
        at least 0.

        None means 1e-4.
        """,
        default=None,
        constraints=[Interval(Real, 0, None, closed="left"), None],
        after="rate",
    )
    seed: float = declared(0)


@with_parameters
class Path(Shared):
    rate: float = parameter("float", "Another meaning.", default=0.1, constraints=[Real])
    strengths: float = declared(30)


@with_parameters
class Chooses(Path, Trained):
    """Of two bases with one base in common."""


class ByHand(BaseEstimator):
    def __init__(self, size=3, *, rate=0.5, strength=None, patience=PATIENCE, seed=0):
        self.size = size
        self.rate = rate
        self.strength = strength
        self.patience = patience
        self.seed = seed


class Further(Trained):
    """A user's subclass, with a parameter more."""

    def __init__(self, size=3, *, rate=0.5, strength=None, patience=PATIENCE, seed=0, more=1):
        super().__init__(size, rate=rate, strength=strength, patience=patience, seed=seed)
        self.more = more


class Fewer(Trained):
    """A user's subclass, with parameters left out and a default of its own."""

    def __init__(self, strength=0.1):
        super().__init__(strength=strength, seed=7)


class Same(Trained):
    """A user's subclass without a constructor."""


def names(kind):
    return list(inspect.signature(kind).parameters)


class TestConstructor:
    def test_is_that_of_a_class_by_hand(self):
        assert str(inspect.signature(Trained)) == str(inspect.signature(ByHand))
        assert str(inspect.signature(Trained.__init__)) == str(inspect.signature(ByHand.__init__))
        assert Trained.__init__.__qualname__ == "Trained.__init__"
        assert Trained.__init__.__module__ == __name__
        assert vars(Trained()) == vars(ByHand())
        assert list(vars(Trained())) == list(vars(ByHand()))
        assert repr(Trained(4, strength=1.0)) == repr(ByHand(4, strength=1.0)).replace("ByHand", "Trained")

    def test_values_and_defaults_are_stored_as_they_are(self):
        value = [1]
        model = Trained(value, strength=value)
        assert model.size is value
        assert model.strength is value
        assert model.patience is PATIENCE

    @pytest.mark.parametrize(
        ("args", "options"), [((), {"sed": 1}), ((1, 2), {}), ((1,), {"size": 2}), ((), {"__dict__": {}})]
    )
    def test_wrong_arguments_are_pythons_errors(self, args, options):
        with pytest.raises(TypeError) as expected:
            ByHand(*args, **options)
        with pytest.raises(TypeError) as error:
            Trained(*args, **options)
        assert str(error.value) == str(expected.value).replace("ByHand", "Trained")

    def test_nothing_is_left_on_the_class(self):
        assert not [name for name in names(Trained) if hasattr(Trained, name)]

    def test_clones_and_pickles(self):
        model = Trained(4, patience=2, seed=1)
        for copy in (clone(model), pickle.loads(pickle.dumps(model))):
            assert copy.get_params() == model.get_params()
            assert type(copy) is Trained

    def test_of_a_class_without_parameters(self):
        @with_parameters
        class Nothing(BaseEstimator):
            pass

        assert str(inspect.signature(Nothing)) == "()"
        assert Nothing().get_params() == {}

    def test_of_a_class_with_keywords_alone(self):
        @with_parameters
        class Keyword(BaseEstimator):
            rate: float = declared(1.0)

        assert str(inspect.signature(Keyword)) == "(*, rate=1.0)"


class TestInheritance:
    def test_new_parameters_come_after_the_named_one_or_at_the_end(self):
        assert names(Trained) == ["size", "rate", "strength", "patience", "seed"]

    def test_declared_anew_it_keeps_its_place(self):
        assert names(Path) == ["size", "rate", "patience", "strengths"]
        assert Path().rate == 0.1
        assert Shared().rate == 0.5
        assert parameters_of(Path)["rate"].description == "Another meaning."

    def test_two_bases(self):
        assert names(Chooses) == ["size", "rate", "strength", "patience", "seed", "strengths"]
        assert Chooses().rate == 0.1

    def test_unknown_place(self):
        with pytest.raises(TypeError, match="^Lost.seed is declared after 'strength', which no base class declares.$"):

            @with_parameters
            class Lost(Shared):
                seed: float = declared(0, after="strength")

    def test_constraints(self):
        assert list(Trained._parameter_constraints) == names(Trained)
        assert "strength" not in Shared._parameter_constraints
        with pytest.raises(ValueError, match="The 'strength' parameter of Trained must be a float .* Got -1 instead"):
            validate_parameter_constraints(
                Trained._parameter_constraints, Trained(strength=-1).get_params(), caller_name="Trained"
            )

    def test_subclass_without_a_constructor(self):
        assert str(inspect.signature(Same)) == str(inspect.signature(Trained))
        assert Same(4, seed=2).get_params() == Trained(4, seed=2).get_params()
        assert parameters_of(Same) == parameters_of(Trained)

    def test_subclass_with_one_more(self):
        model = clone(Further(4, more=5))
        assert model.get_params() == {**Trained(4).get_params(), "more": 5}

    def test_subclass_with_fewer(self):
        model = clone(Fewer(strength=0.2))
        assert model.get_params() == {"strength": 0.2}
        assert (model.seed, model.size) == (7, 3)
        with pytest.raises(TypeError, match=r"Fewer.__init__\(\) got an unexpected keyword argument 'seed'"):
            Fewer(seed=1)


def test_entry_of_a_docstring():
    entries = "".join(declaration.entry(name) for name, declaration in parameters_of(Trained).items())
    parsed = NumpyDocString(f"Trained.\n\nParameters\n----------\n{entries}")["Parameters"]
    assert [entry.name for entry in parsed] == names(Trained)
    assert parsed[2].type == "float or None, default=None"
    assert parsed[2].desc == ["Strength of the penalty,", "at least 0.", "", "None means 1e-4."]


ESTIMATORS = [
    (RegularizedMLPClassifier, RegularizedMLPClassifierCV),
    (RegularizedMLPRegressor, RegularizedMLPRegressorCV),
]


@pytest.mark.parametrize(("plain", "cv"), ESTIMATORS)
def test_an_estimator_with_cv_takes_what_the_plain_one_takes(plain, cv):
    of_plain, of_cv = (inspect.signature(kind).parameters for kind in (plain, cv))
    of_path = ["alphas", "eps", "cv", "scoring", "selection", "relax", "adaptive", "refit", "direction", "n_jobs"]
    shared = [name for name in of_plain if name not in ("alpha", "warm_start", "scoring")]
    assert list(of_cv) == [*shared, *of_path]
    # A path is for penalties that select features.
    assert [name for name in shared if of_cv[name] != of_plain[name]] == ["penalty"]


@pytest.mark.parametrize("kind", [kind for pair in ESTIMATORS for kind in pair])
def test_editors_see_the_parameters(kind):
    """Type checkers take the decorator for one of data classes, whose fields have annotations (PEP 681)."""
    transform = with_parameters.__dataclass_transform__
    assert (transform["kw_only_default"], transform["field_specifiers"]) == (True, (parameter,))
    declaring = [base for base in kind.__mro__ if "_declared_parameters" in vars(base)]
    annotated = {name for base in declaring for name in vars(base).get("__annotations__", {})}
    assert annotated >= set(names(kind))
    assert not [base.__name__ for base in declaring if "__init__" not in vars(base)]
