"""Values about persons, sealed in the log with a key for each person: who loses the key loses the values, and the log still verifies."""

from accord.store.sealing.keys import Keyring
from accord.store.sealing.marks import Mark, Marking, Subject
from accord.store.sealing.sealer import Sealer, Sealing, erased_name
from accord.store.sealing.subjects import ACTOR, FINDINGS, PersonalValues

__all__ = ["ACTOR", "FINDINGS", "Keyring", "Mark", "Marking", "PersonalValues", "Sealer", "Sealing", "Subject", "erased_name"]
