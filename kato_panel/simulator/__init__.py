"""
A stand-in upstream over real sockets: KATO's answers, its quirks, seeded churn, faults.

It knows nothing of the rest of the package, and the rest watches it as it watches any KATO.
"""

from .embedded import EmbeddedSimulator
from .own_redis import OwnRedis
from .server import Options, Simulator
from .session import KeysAwayError
from .store import StateFileError

__all__ = [
    "EmbeddedSimulator",
    "KeysAwayError",
    "Options",
    "OwnRedis",
    "Simulator",
    "StateFileError",
]
