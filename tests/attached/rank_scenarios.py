"""Runs pairs of processes through `Ranks`, all at once; prints what each of them saw as JSON.

    rank_scenarios.py FOLDER [NAME...]

Run as a script, so that torch is imported once and the processes are forked from one that has no threads.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1]))

import torch
import torch.distributed as dist
from free_port import free_port

from lrtui.attached import rank_group, rank_watch
from lrtui.attached import ranks as ranks_module
from lrtui.attached.attach import attach
from lrtui.attached.rank_group import RanksError
from lrtui.attached.ranks import Ranks
from lrtui.schedules.command_notation import parse_command
from lrtui.store.inbox import send

Seen = dict[str, Any]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def attached(**options: Any) -> Ranks:
    ranks = Ranks.of_process(**options)
    assert ranks is not None
    return ranks


def commands_in_step(rank: int, seen: Seen) -> None:
    """200 steps; rank 0 gets commands at two of them, and one of the lrs goes its own way for a while."""
    ranks = attached()
    waiting = {7: ["a", "läng" * 2000], 100: ["b"]}
    seen["commands"], seen["differences"] = [], []
    lrs = [0.1, 0.2]
    for step in range(200):
        if ranks.finish():
            while True:
                mine = waiting.get(step, []) if rank == 0 else []
                command = ranks.broadcast(mine.pop(0) if mine else None)
                if command is None:
                    break
                seen["commands"].append([step, command])
        if ranks.difference not in ["", *seen["differences"]]:
            seen["differences"].append(ranks.difference)
        if step == 50:
            lrs.append(0.3)
        values = (
            [*lrs, 0.5] if rank == 1 and 60 <= step < 70 else [each * (rank + 1) for each in lrs] if step == 80 else lrs
        )
        # the default group is gone before the run's end
        if step == 150:
            dist.destroy_process_group()
        ranks.begin(values, has_command=step + 1 in waiting)
    ranks.leave()
    ranks.leave()
    seen["after"] = [ranks.finish(), ranks.problem]


def signed_zero(rank: int, seen: Seen) -> None:
    ranks = attached()
    ranks.begin([0.0 if rank else -0.0], has_command=False)
    seen["finish"], seen["difference"] = ranks.finish(), ranks.difference
    ranks.leave()


def until_lost(ranks: Ranks, seen: Seen, paused: bool) -> None:
    started = time.monotonic()
    try:
        while True:
            if paused:
                ranks.broadcast(None)
                time.sleep(0.05 if ranks.rank == 0 else 0.0)
            else:
                time.sleep(0.002)
                ranks.begin([0.1], has_command=False)
                ranks.finish()
    except RanksError as error:
        seen["error"] = str(error)
    seen["seconds"] = time.monotonic() - started
    seen["problem"] = ranks.problem
    # everything is harmless from here on
    ranks.begin([0.1], has_command=True)
    seen["finish"] = ranks.finish()
    ranks.leave()


def wait_for_file(path: Path) -> None:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < deadline, path
        time.sleep(0.01)


def death(dying: int, paused: bool) -> Callable[[int, Seen], None]:
    def scenario(rank: int, seen: Seen) -> None:
        folder = Path(seen["folder"])
        ranks = attached()
        ranks.begin([0.1], has_command=False)
        ranks.finish()
        (folder / f"has finished {rank}").touch()
        if rank == dying:
            for other in range(dist.get_world_size()):
                wait_for_file(folder / f"has finished {other}")
            die()
        until_lost(ranks, seen, paused)

    return scenario


def early_end(rank: int, seen: Seen) -> None:
    """Rank 1 makes fewer steps, ends its run and lives on."""
    rank_group.FAREWELL_SECONDS = 60.0
    ranks = attached()
    for _ in range(3 + 3 * (1 - rank)):
        try:
            ranks.finish()
        except RanksError as error:
            seen["error"] = str(error)
        ranks.begin([0.1], has_command=False)
    started = time.monotonic()
    ranks.leave()
    seen["seconds"] = time.monotonic() - started


def early_end_before_a_command(rank: int, seen: Seen) -> None:
    """Rank 1 ends after the exchange that announced a command."""
    rank_group.FAREWELL_SECONDS = 60.0
    ranks = attached()
    ranks.begin([0.1], has_command=True)
    if rank == 0:
        time.sleep(0.2)
        seen["finish"] = ranks.finish()
        try:
            ranks.broadcast("x")
        except RanksError as error:
            seen["error"] = str(error)
    ranks.leave()


def different_steps(rank: int, seen: Seen) -> None:
    """Rank 1 has made a step more before the exchange."""
    ranks = attached()
    ranks.steps = rank
    until_lost(ranks, seen, paused=False)


def long_pause(rank: int, seen: Seen) -> None:
    """A pause of 10 s, where the script's own limit is 8 s."""
    ranks = attached()
    received = seen["received"] = []
    ends = time.monotonic() + 10
    while not received:
        time.sleep(0.2 if rank == 0 else 0)
        command = ranks.broadcast("resume" if rank == 0 and time.monotonic() > ends else None)
        if command is not None:
            received.append(command)
    ranks.leave()


def no_answer(rank: int, seen: Seen) -> None:
    """Rank 1 waits for something else; the script's own limit is 16 s."""
    ranks = attached()
    if rank == 0:
        until_lost(ranks, seen, paused=False)
        (Path(seen["folder"]) / "over").touch()
    wait_for_file(Path(seen["folder"]) / "over")


def uneven(rank: int, seen: Seen) -> None:
    """Rank 1 makes fewer steps and waits at a barrier; before, it waits there for rank 0, which is busy."""
    # rank 1 may be later than rank 0 after the barrier
    rank_watch.POLL_SECONDS, ranks_module.NOTED_SECONDS = 0.05, 1.5
    ranks = attached()
    ranks.begin([0.1], has_command=False)
    ranks.finish()
    if rank == 0:
        time.sleep(0.8)
    dist.barrier()
    ranks.begin([0.1], has_command=False)
    seen["before"] = [ranks.finish(), ranks.problem]
    if rank == 0:
        until_lost(ranks, seen, paused=False)
    dist.barrier()
    seen["problem"] = ranks.problem
    ranks.leave()


def uneven_with_a_command(rank: int, seen: Seen) -> None:
    """Rank 1 has made its last step when a command is announced, and waits at a barrier."""
    rank_watch.POLL_SECONDS, ranks_module.NOTED_SECONDS = 0.05, 0.2
    ranks = attached()
    ranks.begin([0.1], has_command=True)
    if rank == 0:
        ranks.finish()
        until_lost(ranks, seen, paused=True)
    dist.barrier()
    seen["problem"] = ranks.problem


def joined(rank: int, seen: Seen) -> None:
    """Uneven data in PyTorch's own way: rank 0 has 12 batches, rank 1 has 4."""
    rank_watch.POLL_SECONDS, ranks_module.NOTED_SECONDS = 0.05, 0.2
    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    ranks = attached()
    with model.join():
        for _ in range(4 if rank == 1 else 12):
            model(torch.ones(2)).backward()
            with suppress(RanksError):
                ranks.finish()
            optimizer.step()
            ranks.begin([0.1], has_command=False)
    seen["problem"] = ranks.problem
    ranks.leave()


def only_one_attaches(rank: int, seen: Seen) -> None:
    if rank == 0:
        seen["reports"] = []
        ranks = attached(report=seen["reports"].append, arrival_seconds=0.3)
        seen["problem"] = ranks.problem
        until = ranks.begin([0.1], has_command=True)
        seen["rest"] = [until, ranks.finish(), ranks.leave()]
    dist.barrier()


def late(rank: int, seen: Seen) -> None:
    """Rank 1 attaches when rank 0 waits no more; a second run finds both."""
    gave_up = Path(seen["folder"]) / "gave up"
    if rank == 1:
        wait_for_file(gave_up)
    seen["problem"] = attached(arrival_seconds=0.2).problem
    gave_up.touch()
    second = attached()
    second.begin([0.1], has_command=True)
    seen["second"] = [second.finish(), second.broadcast("x" if rank == 0 else None), second.broadcast(None)]
    second.leave()


def unfinished_end(rank: int, seen: Seen) -> None:
    """Rank 1's process ends while rank 0, busy with other things, takes no part in its last exchange."""
    ranks = attached()
    ranks.begin([0.1], has_command=False)
    if rank == 1:
        (Path(seen["folder"]) / "process").write_text(str(os.getpid()))
        ranks.begin([0.1], has_command=False)
        ranks.leave()
        return
    file, deadline = Path(seen["folder"]) / "process", time.monotonic() + 120
    while not (file.exists() and not is_alive(int(file.read_text() or os.getpid()))):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    until_lost(ranks, seen, paused=False)


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def attached_run(dying: int | None, paused: bool) -> Callable[[int, Seen], None]:
    """A script whose ranks do not wait for each other; commands are sent, and a rank dies between them."""

    def scenario(rank: int, seen: Seen) -> None:
        folder = Path(seen["folder"])
        model = torch.nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        run = attach(optimizer, store=folder / "runs", name=f"rank {rank}", on_stop="flag")
        seen["number"] = run.number
        if rank == 0:
            threading.Thread(target=send_commands, args=(folder, dying, paused, seen), daemon=True).start()
        if rank == dying:
            (folder / "dying").write_text(str(os.getpid()))
            threading.Thread(target=die_with, args=(folder / "die",), daemon=True).start()
        # the last of the commands; when rank 0 is dead, nobody sends it
        end = folder / ("die" if dying == 0 else "over")
        deadline = time.monotonic() + 120
        while not run.stopped and not end.exists() and time.monotonic() < deadline:
            model(torch.ones(2)).backward()
            optimizer.step()
            time.sleep(0.002)
        seen["is_late"] = time.monotonic() >= deadline
        # the script sets the lr itself, to another value in each rank
        for group in optimizer.param_groups:
            group["lr"] *= 1 + rank
        for _ in range(3):
            optimizer.step()
        run.finish()

    return scenario


def send_commands(folder: Path, dying: int | None, paused: bool, seen: Seen) -> None:
    """Send commands as another terminal does."""
    send_each(folder, ["lr*0.5", *["pause"] * paused], seen)
    if dying is None:
        send_each(folder, ["stop"], {})
        return
    (folder / "die").touch()
    if dying == 1:
        process = int((folder / "dying").read_text())
        while is_alive(process):
            time.sleep(0.01)
        # the connections are closed at once, and a pause is looked at twice a second
        time.sleep(1.0)
        before = seen["answers"]
        send_each(folder, ["lr*0.5"], seen)
        seen["answers"] = before + seen["answers"]
        (folder / "over").touch()


def accelerated(rank: int, seen: Seen) -> None:
    """A script as accelerate's users write it, with a command and a switch from outside."""
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, total_iters=100)
    model, optimizer, scheduler = accelerator.prepare(model, optimizer, scheduler)
    run = attach(
        optimizer, scheduler, epochs=1, batches_per_epoch=100, store=Path(seen["folder"]) / "runs", on_stop="flag"
    )
    sender = None
    if rank == 0:
        commands = ["lr*0.5", "undo", "CosineAnnealingLR(T_max=4, per='batch')", "stop"]
        # the schedule has taken effect
        is_seen = partial(has_lr, seen, 0.05 * (1 + 2**-0.5))
        sender = threading.Thread(target=send_each, args=(Path(seen["folder"]), commands, seen, is_seen), daemon=True)
    seen["lrs"], seen["last_lrs"] = [], []
    while not run.stopped:
        if sender is not None and len(seen["lrs"]) == 2:
            # the first lrs are those of the script alone
            sender.start()
        optimizer.zero_grad()
        loss = model(torch.ones(2)).pow(2).mean()
        accelerator.backward(loss)
        optimizer.step()
        seen["lrs"].append(optimizer.param_groups[0]["lr"])
        scheduler.step()
        seen["last_lrs"].append(scheduler.get_last_lr()[0])
        run.log(loss=accelerator.gather(loss).mean())
        time.sleep(0.005)
    run.finish()
    if sender is not None:
        sender.join()


def plateau(rank: int, seen: Seen) -> None:
    """Only rank 0 has the results that a schedule follows."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = torch.optim.lr_scheduler.ConstantLR(optimizer, 1.0)
    store = Path(seen["folder"]) / "runs"
    run = attach(optimizer, scheduler, epochs=100, batches_per_epoch=5, store=store, on_stop="flag")
    sender = None
    if rank == 0:
        commands = ["ReduceLROnPlateau(patience=1, factor=0.5)", "pause", "resume", "evaluate", "evaluate", "stop"]
        is_seen = partial(has_lr, seen, 0.025)
        sender = threading.Thread(target=send_each, args=(Path(seen["folder"]), commands, seen, is_seen), daemon=True)
    lrs = seen["lrs"] = []
    if sender is not None:
        sender.start()
    while not run.stopped:
        for _ in range(5):
            optimizer.step()
            lrs.append(optimizer.param_groups[0]["lr"])
            time.sleep(0.002)
        scheduler.step()
        if rank == 0:
            run.log_eval(loss=0.5)
    if sender is not None:
        sender.join()


def has_lr(seen: Seen, lr: float) -> bool:
    return any(abs(each - lr) < 1e-9 for each in seen["lrs"])


def send_each(folder: Path, commands: list[str], seen: Seen, before_the_last: Callable[[], bool] | None = None) -> None:
    """Send commands one after the other, and the last one once a condition holds; note the answers."""
    answers = []
    for number, text in enumerate(commands, 1):
        deadline = time.monotonic() + 60
        while before_the_last and number == len(commands) and not before_the_last() and time.monotonic() < deadline:
            time.sleep(0.01)
        answers.append(send(folder / "runs", 1, parse_command(text), seconds=100).text)
    seen["answers"] = answers


def die_with(file: Path) -> None:
    while not file.exists():
        time.sleep(0.01)
    die()


SCENARIOS: dict[str, Callable[[int, Seen], None]] = {
    "commands": commands_in_step,
    "signed zero": signed_zero,
    "rank 0 dies": death(0, paused=False),
    "rank 1 dies": death(1, paused=False),
    "rank 0 dies in a pause": death(0, paused=True),
    "rank 1 dies in a pause": death(1, paused=True),
    "early end": early_end,
    "early end before a command": early_end_before_a_command,
    "different steps": different_steps,
    "long pause": long_pause,
    "no answer": no_answer,
    "uneven": uneven,
    "uneven, with a command": uneven_with_a_command,
    "joined": joined,
    "only one attaches": only_one_attaches,
    "late": late,
    "unfinished end": unfinished_end,
    "accelerate": accelerated,
    "plateau": plateau,
    "attached": attached_run(None, paused=False),
    "attached, rank 1 dies": attached_run(1, paused=False),
    "attached, rank 1 dies in a pause": attached_run(1, paused=True),
    "attached, rank 0 dies in a pause": attached_run(0, paused=True),
}
LIMITS = {"no answer": 16.0, "long pause": 8.0}
"""They hold for the start of the processes, too, which takes a while on a busy machine."""
WHOLE_EXITS = ["commands", "unfinished end"]
"""Scenarios whose processes end with the interpreter's destructors, which take 0.7 s."""
SIZES = {"rank 1 dies": 3, "rank 1 dies in a pause": 3}


def work(name: str, rank: int, folder: Path) -> None:
    store = dist.FileStore(str(folder / "store"), SIZES.get(name, 2))
    limit = timedelta(seconds=LIMITS.get(name, 60.0))
    if name == "accelerate":
        # as torchrun sets them; accelerate makes the process group itself
        os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
    else:
        dist.init_process_group("gloo", store=store, rank=rank, world_size=SIZES.get(name, 2), timeout=limit)
    seen: Seen = {"folder": str(folder)}
    try:
        SCENARIOS[name](rank, seen)
    except BaseException as error:
        seen["failure"] = repr(error)
    (folder / f"{rank}.json").write_text(json.dumps(seen))


def main() -> None:
    torch.set_num_threads(1)
    # imports torch._dynamo, which takes seconds
    torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1).zero_grad()
    root, names = Path(sys.argv[1]), sys.argv[2:] or list(SCENARIOS)
    os.environ["MASTER_PORT"] = str(free_port())
    processes = {}
    for name in names:
        folder = root / name
        folder.mkdir()
        for rank in range(SIZES.get(name, 2)):
            process = os.fork()
            if process == 0:
                work(name, rank, folder)
                if name in WHOLE_EXITS:
                    sys.exit()
                os._exit(0)
            processes[process] = (name, rank)
    ended: dict[str, dict[str, Any]] = {name: {} for name in names}
    for _ in range(len(processes)):
        process, status = os.wait()
        name, rank = processes[process]
        file = root / name / f"{rank}.json"
        seen = json.loads(file.read_text()) if file.exists() else {}
        ended[name][str(rank)] = {**seen, "exit": os.waitstatus_to_exitcode(status)}
    print(json.dumps(ended))


if __name__ == "__main__":
    main()
