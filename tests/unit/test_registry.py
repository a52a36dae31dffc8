"""From a section to a plugin."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import pytest

from harvester_hpc.config.queue_file import LOG_EXPOSER, SECTIONS, THROTTLER, LogExposerSettings, MessengerSettings
from harvester_hpc.config.values import Configuration, QueueConfiguration
from harvester_hpc.errors import ConfigurationError, PluginMissing
from harvester_hpc.model.facility import Facility
from harvester_hpc.model.job import Job, JobId, JobState
from harvester_hpc.model.queue import Queue
from harvester_hpc.model.transfer import Direction
from harvester_hpc.plugin_classes import installed
from harvester_hpc.plugin_kinds import CORE_OWNED, NAMING, PORTS
from harvester_hpc.ports.carrier import Carrier, Copier
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.outcome import Failed
from harvester_hpc.registry import Registry

BASE = Context(instance="me", tag="abcde", state_dir=Path("/nowhere"), facility=Facility(name="here", scheduler="local"))
JOB = Job(id=JobId(1), queue="Q", state=JobState.FETCHED)
QUEUE = Queue(name="Q")
WHERE = "harvester.json: queues.Q.sweeper"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    depth: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    retries: int = 3
    grace_s: float = 1.0
    log_file_name: str = ""
    lines: tuple[str, ...] = ()
    mode: Literal["soft", "hard"] = "soft"
    endpoint: str | None = field(default=None, metadata={"key": "dstRSE_Out"})
    inner: Inner = Inner()
    options: Mapping[str, int] = field(default_factory=dict)
    where: Path = Path()

    def __post_init__(self) -> None:
        if self.retries == 13:
            raise ValueError("13 brings bad luck")


class Plain:
    """A sweeper, and the base of the others."""

    Settings: ClassVar[type[Any]] = Settings

    def __init__(self, settings: Any, context: Context) -> None:
        self.settings = settings
        self.context = context

    def kill_worker(self, worker: Any) -> None: ...

    def sweep_worker(self, worker: Any) -> None: ...


class Choosy(Plain):
    @staticmethod
    def problems(settings: Settings, context: Context) -> Iterable[str]:
        if settings.retries > 5:
            yield f"retries: {settings.retries} is more than {context.facility.name} allows, 5"
        if context.queue is None:
            yield "wants a queue"


class Shared(Plain):
    shared = True


class Broken(Plain):
    def __init__(self, settings: Any, context: Context) -> None:
        raise RuntimeError("no luck")


class Half:
    Settings: ClassVar[type[Any]] = Settings

    def kill_worker(self, worker: Any) -> None: ...


class NoSettings(Plain):
    Settings: ClassVar[Any] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Needy:
    must: int
    may_be_s: int = 0

    def problems(self) -> Iterable[str]:
        return ("may_be_s: is less than nothing", "must and may: both") if self.may_be_s < 0 else ()


class NeedySweeper(Plain):
    Settings: ClassVar[type[Any]] = Needy


def everything(port: type[Any]) -> type[Any]:
    """Return a class with all methods of a port."""
    methods: dict[str, Any] = {name: lambda self: None for name in vars(port) if not name.startswith("_")}
    return type("Everything", (Plain,), methods)


def everything_with_bases(port: type[Any]) -> type[Any]:
    """Return a class with all methods of a port that builds on another one."""
    methods: dict[str, Any] = {}
    for one in port.__mro__:
        if one.__module__ == port.__module__:
            methods |= {name: lambda self: None for name in vars(one) if not name.startswith("_")}
    return type("Everything", (Plain,), methods)


ACarrier, ACopier = everything_with_bases(Carrier), everything_with_bases(Copier)

(
    AllPreparator, AllWorkerMaker, AllSubmitter, AllMessenger, AllMonitor, AllStager, AllSweeper, AllLogExposer, AllThrottler,
    AllCommunicator, AllCredential,
) = map(
    everything, PORTS.values()
)
ALL = dict(
    zip(
        PORTS,
        ("AllPreparator", "AllWorkerMaker", "AllSubmitter", "AllMessenger", "AllMonitor", "AllStager", "AllSweeper", "AllLogExposer",
         "AllThrottler", "AllCommunicator", "AllCredential"),
        strict=True,
    )
)


class Finder:
    """Entry points that are made up, and how often they were asked for."""

    def __init__(self, *entry_points: tuple[str, str, str]) -> None:
        self.asked = 0
        self.entry_points = [EntryPoint(name=name, value=f"{__name__}:{value}", group=group) for group, name, value in entry_points]

    def __call__(self) -> Sequence[EntryPoint]:
        self.asked += 1
        return self.entry_points


def a(name: str, **settings: Any) -> dict[str, Any]:
    """Return the section of a class of this module."""
    return {"name": name, "module": __name__, **settings}


def load(section: Mapping[str, Any], kind: str = "sweeper", registry: Registry | None = None) -> Any:
    return (registry or Registry(Finder())).load(kind, section, dataclasses.replace(BASE, queue=QUEUE), where=WHERE)


def problems(section: Mapping[str, Any]) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(section)
    return [line.removeprefix(WHERE) for line in caught.value.problems]


def test_the_kinds_are_the_sections_of_a_queue_and_those_of_the_instance() -> None:
    assert tuple(PORTS) == (*SECTIONS, LOG_EXPOSER, THROTTLER, "communicator", "credential")
    assert CORE_OWNED["messenger"] | NAMING == set(MessengerSettings.model_fields)
    assert CORE_OWNED["logExposer"] | NAMING == set(LogExposerSettings.model_fields)


def test_a_queue_may_have_nobody_who_shows_logs() -> None:
    sections = {kind: a(ALL[kind]) for kind in SECTIONS}
    nobody = Registry(Finder()).plugins_for(QUEUE, {**sections, "logExposer": {"name": "none"}}, BASE)
    assert (Registry(Finder()).plugins_for(QUEUE, sections, BASE).log_exposer, nobody.log_exposer) == (None, None)
    somebody = Registry(Finder()).plugins_for(QUEUE, {**sections, "logExposer": a("AllLogExposer", maxMB=3)}, BASE)
    assert isinstance(somebody.log_exposer, AllLogExposer)


def test_a_log_exposer_of_the_communicators_name_has_its_settings_unless_it_says_otherwise() -> None:
    finder = Finder(("harvester_hpc.logExposer", "server", "AllLogExposer"), ("harvester_hpc.communicator", "server", "AllCommunicator"))
    configuration = instance(
        {"Q": configured("Q", logExposer={"name": "server", "retries": 7})}, {"name": "server", "retries": 5, "logFileName": "theirs"},
    )
    made: Any = Registry(finder).plugins_of(configuration)["Q"].log_exposer
    assert (made.settings.retries, made.settings.log_file_name) == (7, "theirs")


def test_a_name_alone_is_an_entry_point_of_its_kind() -> None:
    finder = Finder(
        ("harvester_hpc.sweeper", "psij", "Plain"),
        ("harvester_hpc.submitter", "psij", "Half"),
        ("other", "x", "Half"),
        ("other.sweeper", "y", "Half"),
    )
    registry = Registry(finder)
    assert finder.asked == 0
    plugin = load({"name": "psij", "retries": 1}, registry=registry)
    assert type(plugin) is Plain
    assert plugin.settings == Settings(retries=1)
    assert plugin.context == dataclasses.replace(BASE, queue=QUEUE)
    assert registry.names("sweeper") == ("psij",)
    load({"name": "psij"}, registry=registry)
    assert finder.asked == 1, "entry points are read once"


def test_module_and_name_are_a_class() -> None:
    assert type(load(a("Plain"))) is Plain


def test_a_plugin_that_is_not_installed_is_answered_with_those_that_are_and_the_nearest() -> None:
    registry = Registry(Finder(("harvester_hpc.sweeper", "psij", "Plain"), ("harvester_hpc.sweeper", "local", "Plain")))
    with pytest.raises(PluginMissing) as caught:
        load({"name": "psji"}, registry=registry)
    assert str(caught.value) == f"{WHERE}: no sweeper 'psji'; there is: local, psij (did you mean 'psij'?)"
    with pytest.raises(PluginMissing, match=r"no submitter 'slrum'; there is: none$"):
        load({"name": "slrum"}, "submitter", registry)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({}, "names no sweeper"),
        ({"name": 5}, "names no sweeper"),
        ({"name": "x", "module": 5}, "names no sweeper"),
        ({"name": "x", "module": "no.such.module"}, "module 'no.such.module' cannot be imported; ModuleNotFoundError"),
        ({"name": "x", "module": ""}, "module '' cannot be imported; ValueError"),
        (a("Plane"), f"module '{__name__}' has no 'Plane' (did you mean 'Plain'?)"),
        (a("Half"), "Half is no sweeper; it has no sweep_worker"),
        (a("WHERE"), "WHERE is no sweeper; it has no kill_worker, sweep_worker"),
        (a("NoSettings"), "sweeper NoSettings cannot be used; it has no Settings (a frozen dataclass)"),
    ],
)
def test_what_is_no_plugin_of_the_kind_is_refused_with_the_place_and_the_reason(section: dict[str, Any], said: str) -> None:
    with pytest.raises(PluginMissing) as caught:
        load(section)
    assert str(caught.value).startswith(f"{WHERE}: {said}")


def test_an_entry_point_that_cannot_be_imported_says_why() -> None:
    registry = Registry(lambda: [EntryPoint(name="x", value="no.such:Thing", group="harvester_hpc.sweeper")])
    with pytest.raises(PluginMissing, match="sweeper 'x' cannot be imported; ModuleNotFoundError: No module named 'no'"):
        load({"name": "x"}, registry=registry)


def test_a_module_that_raises_while_it_is_imported_is_blamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a_plugin_that_raises.py").write_text("raise RuntimeError('not today')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PluginMissing, match="cannot be imported; RuntimeError: not today"):
        load({"name": "x", "module": "a_plugin_that_raises"})


def test_keys_in_camel_case_become_settings_of_their_type() -> None:
    section = a(
        "Plain", retries=4, graceS=2, logFileName="x", lines=("a", "b"), mode="hard", dstRSE_Out="RSE",
        inner=MappingProxyType({"depth": 2}), options={"a": 1}, where="/x",
    )  # fmt: skip
    assert load(section).settings == Settings(
        retries=4,
        grace_s=2.0,
        log_file_name="x",
        lines=("a", "b"),
        mode="hard",
        endpoint="RSE",
        inner=Inner(depth=2),
        options={"a": 1},
        where=Path("/x"),
    )


def test_what_the_core_reads_itself_is_not_the_messengers() -> None:
    assert load(a("AllMessenger", accessPoint="/x/${workerID}", retries=1), "messenger").settings == Settings(retries=1)
    assert problems(a("AllSweeper", accessPoint="/x/${workerID}")) == [".accessPoint: unknown key"]


def test_all_problems_of_a_section_are_told_together() -> None:
    section = a("Plain", retries="5", graceS=True, logFilename="x", lines=["a", 1], mode="softly", inner={"depth": 1.5}, log_file_name="x")
    lines = problems(section)
    assert [line.split(":")[0] for line in lines] == [
        ".retries", ".graceS", ".logFilename", ".lines[1]", ".mode", ".inner.depth", ".log_file_name",
    ]  # fmt: skip
    assert lines[0] == '.retries: must be a whole number; it is "5"'
    assert lines[2] == ".logFilename: unknown key (did you mean 'logFileName'?)"
    assert lines[6] == ".log_file_name: unknown key (did you mean 'logFileName'?)"


def test_what_is_required_is_missed() -> None:
    assert problems(a("NeedySweeper", mayBeS="x")) == ['.mayBeS: must be a whole number; it is "x"', ".must: is missing"]


def test_what_the_settings_themselves_do_not_want_is_a_problem() -> None:
    assert problems(a("Plain", retries=13)) == [": 13 brings bad luck"]


def test_a_plugin_may_add_problems_of_its_own() -> None:
    assert problems(a("Choosy", retries=6)) == [".retries: 6 is more than here allows, 5"]
    assert load(a("Choosy", retries=5)).settings.retries == 5


def test_settings_may_have_problems_of_their_own_and_the_key_is_named_as_the_user_writes_it() -> None:
    assert problems(a("NeedySweeper", must=1, mayBeS=-1)) == [".mayBeS: is less than nothing", ": must and may: both"]


def test_a_plugin_that_raises_while_it_is_made_is_blamed() -> None:
    assert problems(a("Broken")) == [f": {__name__}.Broken raised RuntimeError: no luck"]


def test_only_a_class_that_says_so_is_shared_and_only_with_the_same_settings() -> None:
    registry = Registry(Finder())
    one, same, other = (load(a("Shared", retries=number), registry=registry) for number in (1, 1, 2))
    assert one is same
    assert one is not other
    assert one.context == BASE, "a shared plugin has no queue"
    assert load(a("Plain"), registry=registry) is not load(a("Plain"), registry=registry)
    elsewhere = dataclasses.replace(BASE, facility=dataclasses.replace(BASE.facility, name="there"))
    assert registry.load("sweeper", a("Shared", retries=1), elsewhere, where="") is not one


def configured(name: str, **sections: Any) -> QueueConfiguration:
    whole = {kind: a(ALL[kind]) for kind in SECTIONS} | sections
    return QueueConfiguration(queue=Queue(name=name), sections=whole, where={"stager": f"here.json: queues.{name}.stager"})


def instance(queues: Mapping[str, QueueConfiguration], communicator: Mapping[str, Any]) -> Configuration:
    return Configuration(
        home=Path("/nowhere"), state_dir=BASE.state_dir, instance=BASE.instance, tag=BASE.tag, facility=BASE.facility,
        queues=queues, communicator=communicator,
    )  # fmt: skip


def test_a_queue_gets_its_seven_plugins_made_for_it() -> None:
    queue = configured("Q", workerMaker=a("AllWorkerMaker", retries=7))
    plugins = Registry(Finder()).plugins_for(queue.queue, queue.sections, BASE)
    made: dict[str, Any] = {field.name: getattr(plugins, field.name) for field in dataclasses.fields(plugins)}
    assert made.pop("queue") == queue.queue
    assert (made.pop("inward"), made.pop("outward"), made.pop("log_exposer"), made.pop("throttler")) == ((), (), None, None)
    assert {name: type(plugin) for name, plugin in made.items()} == {
        "preparator": AllPreparator, "worker_maker": AllWorkerMaker, "submitter": AllSubmitter, "messenger": AllMessenger,
        "monitor": AllMonitor, "stager": AllStager, "sweeper": AllSweeper,
    }  # fmt: skip
    assert all(plugin.context.queue == queue.queue for plugin in made.values())
    assert made["worker_maker"].settings.retries == 7


def test_all_plugins_of_an_instance_are_made() -> None:
    loaded = Registry(Finder()).load_all(instance({"A": configured("A"), "B": configured("B")}, a("AllCommunicator")))
    communicator: Any = loaded.communicator
    stager: Any = loaded.queues["B"].stager
    assert communicator.context == BASE
    assert stager.context.queue.name == "B"


def test_the_problems_of_all_plugins_of_all_queues_are_told_together() -> None:
    queues = {
        "A": configured("A", stager=a("AllStager", retrys=1), sweeper={"name": "none"}),
        "B": configured("B", stager=a("AllStager", retries="1"), monitor=a("Half")),
    }
    with pytest.raises(ConfigurationError) as caught:
        Registry(Finder()).load_all(instance(queues, a("AllCommunicator", x=1)))
    assert [line.split(";")[0] for line in caught.value.problems] == [
        "communicator.x: unknown key",
        "here.json: queues.A.stager.retrys: unknown key (did you mean 'retries'?)",
        "queues.A.sweeper: no sweeper 'none'",
        "queues.B.monitor: Half is no monitor",
        "here.json: queues.B.stager.retries: must be a whole number",
    ]


def test_a_missing_section_is_one_of_the_problems() -> None:
    sections = {kind: a(ALL[kind]) for kind in SECTIONS if kind != "monitor"}
    with pytest.raises(ConfigurationError, match=r"queues\.Q\.monitor: names no monitor"):
        Registry(Finder()).plugins_for(QUEUE, sections, BASE)


def test_what_is_installed_is_found_in_this_interpreter() -> None:
    there = {(entry_point.group, entry_point.name) for entry_point in installed()}
    assert ("harvester_hpc.submitter", "psij") in there
    assert ("harvester_hpc.communicator", "local") in there


def test_a_plugin_that_moves_batches_stands_as_a_hop_of_its_direction() -> None:
    queue = configured("Q", preparator=a("ACopier"), stager={"hops": [a("ACarrier", retries=2), a("ACopier")]})
    plugins = Registry(Finder()).plugins_for(queue.queue, queue.sections, BASE)
    assert [type(hop) for hop in plugins.hops(Direction.IN)] == [ACopier]
    assert [type(hop) for hop in plugins.hops(Direction.OUT)] == [ACarrier, ACopier]
    assert isinstance(plugins.preparator.trigger_preparation(JOB), Failed)
    assert isinstance(plugins.stager.trigger_stage_out(JOB), Failed)


@pytest.mark.parametrize(
    ("stager", "says"),
    [
        ({"hops": []}, "hops is a list of sections"),
        ({"hops": "globus"}, "hops is a list of sections"),
        ({"hops": [a("ACarrier")], "name": "globus"}, "with hops it has nothing else"),
        ({"hops": [a("ACarrier"), a("AllStager")]}, "moves the files of a job by itself"),
        ({"hops": [a("AllStager")]}, "moves the files of a job by itself"),
        ({"hops": [a("ACarrier", retires=2)]}, "hops[0].retires: unknown key"),
    ],
)
def test_hops_that_cannot_be_used_say_why(stager: Mapping[str, Any], says: str) -> None:
    queue = configured("Q", stager=stager)
    with pytest.raises(ConfigurationError) as caught:
        Registry(Finder()).plugins_for(queue.queue, queue.sections, BASE)
    assert says in " ".join(caught.value.problems)


def test_a_monitor_cannot_move_batches() -> None:
    with pytest.raises(PluginMissing, match="is no monitor"):
        load(a("ACarrier"), kind="monitor")


def test_a_common_setting_goes_to_each_plugin_that_knows_it_and_does_not_say_otherwise() -> None:
    queue = configured("Q", workerMaker=a("AllWorkerMaker", retries=7))
    queue = dataclasses.replace(queue, common={"retries": 4})
    made: Any = Registry(Finder()).plugins_of(instance({"Q": queue}, a("AllCommunicator")))["Q"]
    assert (made.worker_maker.settings.retries, made.submitter.settings.retries) == (7, 4)


def test_a_common_setting_that_no_plugin_knows_is_a_problem() -> None:
    queue = dataclasses.replace(configured("Q"), common={"retrys": 4})
    with pytest.raises(ConfigurationError) as caught:
        Registry(Finder()).plugins_of(instance({"Q": queue}, a("AllCommunicator")))
    assert caught.value.problems == ("queue Q: common.retrys: no plugin of the queue knows it",)
