# What is public, and where it is: the one declaration, for type checkers and for the lazy import alike.
from .attached.attach import attach
from .engine.run import Run
from .run.commands import (
    Command,
    EvaluateNow,
    Extend,
    Pause,
    Resume,
    SaveCheckpoint,
    ScaleLr,
    SetLr,
    Stop,
    SwitchSchedule,
    UndoLr,
)
from .run.errors import (
    CheckpointError,
    DataError,
    DeviceError,
    LrtuiError,
    NotationError,
    Stopped,
    StoreError,
    TaskError,
    UsageError,
)
from .run.event_json import event_from_json, event_to_json
from .run.events import (
    CheckpointSaved,
    CommandRefused,
    EpochDone,
    EvalDone,
    EvaluationStarted,
    Event,
    Extended,
    LrSet,
    Notice,
    Paused,
    Resumed,
    RunFinished,
    RunStarted,
    ScheduleSwitched,
    StepDone,
)
from .run.spec import RunSpec
from .run.state import RunState
from .schedules.command_notation import parse_command
from .schedules.horizon import Horizon
from .schedules.notation import parse_optimizer, parse_schedule
from .schedules.optimizer import OptimizerSpec
from .schedules.schedule import Schedule
from .schedules.script import spec_as_done
from .schedules.simulate import simulate
from .tasks.task import DataRequest, DataSource, Task

__all__ = [
    "CheckpointError",
    "CheckpointSaved",
    "Command",
    "CommandRefused",
    "DataError",
    "DataRequest",
    "DataSource",
    "DeviceError",
    "EpochDone",
    "EvalDone",
    "EvaluateNow",
    "EvaluationStarted",
    "Event",
    "Extend",
    "Extended",
    "Horizon",
    "LrSet",
    "LrtuiError",
    "NotationError",
    "Notice",
    "OptimizerSpec",
    "Pause",
    "Paused",
    "Resume",
    "Resumed",
    "Run",
    "RunFinished",
    "RunSpec",
    "RunStarted",
    "RunState",
    "SaveCheckpoint",
    "ScaleLr",
    "Schedule",
    "ScheduleSwitched",
    "SetLr",
    "StepDone",
    "Stop",
    "Stopped",
    "StoreError",
    "SwitchSchedule",
    "Task",
    "TaskError",
    "UndoLr",
    "UsageError",
    "attach",
    "event_from_json",
    "event_to_json",
    "parse_command",
    "parse_optimizer",
    "parse_schedule",
    "simulate",
    "spec_as_done",
]
