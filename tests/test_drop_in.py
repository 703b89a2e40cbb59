from importlib.util import find_spec
from pathlib import Path

import pytest

spec = find_spec("sklearn.neural_network.tests.test_mlp")
src = Path(spec.origin).read_text()
line = "from sklearn.neural_network import MLPClassifier, MLPRegressor"
assert src.count(line) == 1
src = src.replace(line, "from skreg import RegularizedMLPClassifier as MLPClassifier, RegularizedMLPRegressor as MLPRegressor")
ns = {"__name__": "x"}
exec(compile(src, spec.origin, "exec"), ns)
globals().update({k: v for k, v in ns.items() if k.startswith("test_")})
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.fixture
def global_random_seed():
    return 42
