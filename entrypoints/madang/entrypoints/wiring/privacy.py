"""The composition root's part for privacy: every context that answers for what it keeps of a person, and who asks them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from dependency_injector import containers, providers

from madang.core.identity.account_proof import AccountProof
from madang.core.identity.lockout import Lockout
from madang.core.identity.passwords import PasswordHasher
from madang.core.identity.two_factor import SecondFactor
from madang.core.kernel.clock import Clock
from madang.core.kernel.personal_data import PersonalData
from madang.core.notifications.notifier import Notifier
from madang.core.operations.audit import AuditTrail
from madang.core.operations.personal_data import AuditPersonalData
from madang.core.portraits.personal_data import PortraitsPersonalData
from madang.core.privacy.erasing import Erasing
from madang.core.privacy.kept_answers import KeptAnswersPersonalData
from madang.core.privacy.service import PrivacyService
from madang.entrypoints.settings import Settings


def _all(contexts: Sequence[PersonalData[Any]], *further: PersonalData[Any]) -> Sequence[PersonalData[Any]]:
    return (*contexts, *further)


class PrivacyWiring(containers.DeclarativeContainer):
    """What is made of what; the dependencies are the whole container's. `contexts` are those that it knows by itself."""

    settings = providers.Dependency(instance_of=Settings)
    units: "providers.Dependency[Any]" = providers.Dependency()
    contexts: "providers.Dependency[Sequence[PersonalData[Any]]]" = providers.Dependency()
    lockout = providers.Dependency(instance_of=Lockout)
    password_hasher: "providers.Dependency[PasswordHasher]" = providers.Dependency()
    second_factor = providers.Dependency(instance_of=SecondFactor)
    notifier: "providers.Dependency[Notifier]" = providers.Dependency()
    audit_trail = providers.Dependency(instance_of=AuditTrail)
    clock: "providers.Dependency[Clock]" = providers.Dependency()

    personal_data = providers.Singleton(
        _all,
        contexts,
        providers.Singleton(PortraitsPersonalData),
        providers.Singleton(KeptAnswersPersonalData),
        providers.Singleton(AuditPersonalData, audit_trail),
    )
    proof = providers.Singleton(AccountProof, units, lockout, password_hasher, second_factor)
    service = providers.Singleton(PrivacyService, units, personal_data, proof, audit_trail, clock)
    records_kept = providers.Factory(timedelta, days=settings.provided.erasure_records_days)
    erasing = providers.Singleton(Erasing, personal_data, notifier, audit_trail, clock, records_kept)
