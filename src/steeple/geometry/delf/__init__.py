"""DELF: features of a network where an attention says that they tell landmarks apart.

Noh, Araujo, Sim, Weyand, Han: "Large-Scale Image Retrieval with Attentive Deep Local Features",
ICCV 2017. Needs the extra ``torch``, and a model, made by `learn_delf`.
"""

from steeple.geometry.delf.extractor import Delf, open_delf

__all__ = ["Delf", "open_delf"]
