"""The composition root's part for files: how they arrive, how they are cleaned away, and what is kept about their owners."""

from typing import Any

from dependency_injector import containers, providers

from madang.adapters.puremagic.content_types import PuremagicContentTypes
from madang.core.files.arrivals import Arrivals
from madang.core.files.cleaning import Cleaning
from madang.core.files.personal_data import FilesPersonalData
from madang.core.files.service import FileService
from madang.core.kernel.clock import Clock
from madang.core.kernel.protection import PersonalDataCipher
from madang.core.kernel.providers import Providers
from madang.core.operations.audit import AuditTrail
from madang.core.portraits.pictures import PhotoLab
from madang.entrypoints.settings import Settings
from madang.entrypoints.wiring import parts


class FileWiring(containers.DeclarativeContainer):
    """What is made of what; the dependencies are the whole container's."""

    settings = providers.Dependency(instance_of=Settings)
    units: "providers.Dependency[Any]" = providers.Dependency()
    routed: "providers.Dependency[Providers]" = providers.Dependency()
    photo_lab: "providers.Dependency[PhotoLab]" = providers.Dependency()
    cipher: "providers.Dependency[PersonalDataCipher]" = providers.Dependency()
    audit_trail = providers.Dependency(instance_of=AuditTrail)
    clock: "providers.Dependency[Clock]" = providers.Dependency()

    arrivals = providers.Singleton(
        Arrivals, providers.Singleton(parts.spool, settings), providers.Singleton(PuremagicContentTypes), photo_lab, routed
    )
    allowance = providers.Singleton(parts.allowance, settings)
    service = providers.Singleton(FileService, units, routed, arrivals, cipher, audit_trail, clock, allowance)
    cleaning = providers.Singleton(Cleaning, routed, clock)
    personal_data = providers.Singleton(FilesPersonalData, cleaning, cipher, routed)
