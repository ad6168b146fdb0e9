"""How good the data is: five validations of every flow, each with its score, its gaps and who answers for them."""

from accord.sync.quality.evaluate import quality
from accord.sync.quality.score import GAPS, VALIDATIONS, Asked, Quality, validation_of

__all__ = ["GAPS", "VALIDATIONS", "Asked", "Quality", "quality", "validation_of"]
