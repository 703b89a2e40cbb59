"""The parameter `augmentation` of the estimators."""

from skreg._axis_parameter import AxisParameter
from skreg.augmentation._base import BatchTransform
from skreg.augmentation._noise import GaussianNoise

PARAMETER = AxisParameter(
    seam="batch_transforms",
    kind=BatchTransform,
    aliases={"noise": GaussianNoise},
    values="{'noise'}, BatchTransform object or None",
    description="""Transform of the training batches, applied anew in every step; validation and prediction use the rows
    as they are. 'noise' is :class:`~skreg.augmentation.GaussianNoise`, whose standard deviation can be swept as
    ``augmentation__stddev`` where it is given as an object. Training losses in `history_` are those of the transformed
    rows.
    """,
)
