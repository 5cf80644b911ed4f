import math

import pytest

from tests.tracker.registry.keeping.made import faults, names, on_disk, rows
from tracker.database.kinds import CheckpointKind, Goal
from tracker.errors import InvalidError, NotFoundError, StateError
from tracker.registry.checkpoints import checkpoints_of, register_checkpoint
from tracker.registry.goals import set_goal
from tracker.registry.processes import this_process
from tracker.registry.sessions import begin_session

LOSSES = [0.9, 0.3, math.nan, 0.2, 0.5, 0.3, 0.8, 0.7]


def kept(lab, name="run"):
    """The epochs of the states that are left, by their rows and by their files."""
    frame = lab.checkpoints(name)
    epochs = sorted(frame["epoch"][frame["kind"] == "state"])
    numbers = (path.partition("/checkpoints/e")[2] for path in on_disk(lab))
    files = sorted(int(number.removesuffix(".ckpt")) for number in numbers if number)
    assert epochs == files
    return epochs


class TestPrune:
    @pytest.mark.parametrize(
        ("rules", "epochs"),
        [
            ({}, [7]),
            ({"last": 3}, [5, 6, 7]),
            ({"last": 99}, list(range(8))),
            ({"best": "val_loss"}, [3, 7]),
            ({"best": ["val_loss"], "top": 2}, [1, 3, 7]),  # of equals, the first
            ({"best": "val_loss", "top": 99}, [0, 1, 3, 4, 5, 6, 7]),  # NaN is never best
            ({"every": 3}, [2, 5, 7]),
            ({"every": 3, "last": 0, "best": "val_loss"}, [2, 3, 5]),
            ({"best": "accuracy"}, [2, 7]),
        ],
    )
    def test_keeps_what_a_rule_keeps(self, lab, made, rules, epochs):
        run = made.run("run", losses=LOSSES)
        with lab.resume_run("run") as writing:  # a metric that is not the one monitored
            for epoch in range(8):
                writing.log(accuracy=-abs(epoch - 2), step=epoch, epoch=epoch)
        change = lab.prune("run", **rules)

        assert kept(lab) == epochs
        gone = [epoch for epoch in range(7, -1, -1) if epoch not in epochs]
        assert change.checkpoints == tuple(f"digits/run train-epoch-{epoch}" for epoch in gone)
        assert change.files == len(gone)
        assert change.bytes == sum(1024 * (epoch + 1) for epoch in gone)
        assert faults(lab) == []
        assert run.name == "run"

    def test_what_is_high_is_best_where_it_is_said_so(self, lab, made):
        made.run("run", losses=[0.1, 0.9, 0.5])
        with lab.database.write() as session:
            set_goal(session, "val_loss", Goal.MAX)
        lab.prune("run", best="val_loss")

        assert kept(lab) == [1, 2]

    def test_a_pinned_one_stays_until_it_is_unpinned(self, lab, made):
        made.run("run", losses=LOSSES)
        assert lab.pin("run", 2, "train-epoch-4") == ["train-epoch-2", "train-epoch-4"]
        lab.prune("run")
        assert kept(lab) == [2, 4, 7]

        assert lab.unpin("run", 2) == ["train-epoch-2"]
        with pytest.raises(NotFoundError, match="no pinned checkpoint named 'epoch 2'"):
            lab.unpin("run", 2)
        assert lab.unpin("run") == ["train-epoch-4"]
        lab.prune("run")
        assert kept(lab) == [7]

    def test_the_one_to_go_on_from_stays_unless_it_is_said(self, lab, made):
        made.run("run", losses=LOSSES)
        lab.prune("run", every=100)
        assert kept(lab) == [7]
        lab.prune("run", last=0)
        assert kept(lab) == []

    def test_a_damaged_one_is_none_to_go_on_from(self, lab, made):
        made.run("run", losses=LOSSES)
        (newest,) = (path for path in on_disk(lab) if path.endswith("e7.ckpt"))
        path = lab.files.path(newest)
        path.write_bytes(b"x" * path.stat().st_size)
        lab.prune("run")

        assert kept(lab) == [6, 7]

    def test_older_weights_go_unless_a_state_that_stays_needs_them(self, lab, made):
        run = made.run("run", losses=[0.5])
        for number in range(3):
            made.weights(run, name=f"best-{number}")
        with lab.database.write() as session:
            middle = checkpoints_of(session, run.id, CheckpointKind.BEST)[1]
            folder = f"{lab.files.run_folder(run.uuid)}/checkpoints"
            file = lab.files.write_bytes(f"{folder}/e1.ckpt", b"state")
            about = {"name": "train-epoch-1", "step": 1, "epoch": 1, "best_id": middle.id}
            register_checkpoint(session, run.id, file, **about)
            file = lab.files.write_bytes(f"{folder}/model.ckpt", b"model")
            register_checkpoint(session, run.id, file, name="model", kind=CheckpointKind.MODEL)
        lab.prune("run")

        assert sorted(lab.checkpoints("run")["name"]) == [
            *("best-1", "best-2", "model", "train-epoch-1")
        ]

    def test_one_of_a_history_that_is_gone_is_no_last_one(self, lab, made):
        made.run("run", losses=LOSSES)
        lab.pin("run", 7)
        lab.resume_run("run", step=4).finish()
        lab.prune("run")
        assert kept(lab) == [4, 7]

        assert lab.unpin("run", 7) == ["train-epoch-7"]
        lab.prune("run")
        assert kept(lab) == [4]

    def test_only_the_runs_own_files_and_all_runs_of_a_pipeline(self, lab, made):
        made.pipeline("mlp", runs=2)
        made.run("other")
        before = on_disk(lab)
        change = lab.prune("mlp")

        assert change.runs == ["digits/mlp", "digits/mlp-2"]
        gone = before - on_disk(lab)
        assert len(gone) == 2
        assert all(path.endswith("e0.ckpt") for path in gone)
        assert kept_by_name(lab, "other") == [0, 1]

    def test_a_run_that_is_running_refuses_all(self, lab, made):
        made.run("done")
        going = made.run("going")
        with lab.database.write() as session:
            begin_session(session, going.id, this_process())
        before = rows(lab), on_disk(lab)

        with pytest.raises(StateError, match="Cannot prune: digits/going is running"):
            lab.prune(["done", "going"])
        assert (rows(lab), on_disk(lab)) == before

    def test_a_metric_that_is_not_there_or_has_no_goal_refuses_all(self, lab, made):
        made.run("run")
        with lab.resume_run("run") as writing:
            writing.log(oddity=1.0)

        with pytest.raises(NotFoundError, match="Did you mean 'val_loss'"):
            lab.prune("run", best="val_los")
        with pytest.raises(InvalidError, match="labkeeper goal oddity max"):
            lab.prune("run", best="oddity")
        for rule in ({"last": -1}, {"top": 0}, {"every": 0}):
            with pytest.raises(InvalidError, match="is at least"):
                lab.prune("run", **rule)
        assert kept(lab) == [0, 1]

    def test_a_dry_run_says_the_same_and_changes_nothing(self, lab, made):
        made.run("run", losses=LOSSES)
        before = rows(lab), on_disk(lab)
        shown = lab.prune("run", dry_run=True)

        assert (rows(lab), on_disk(lab)) == before
        assert lab.prune("run", shown=shown) == shown
        with pytest.raises(StateError, match="changed since"):
            lab.prune("run", shown=shown)

    def test_missing_files_are_no_obstacle(self, lab, made):
        made.run("run", losses=LOSSES)
        lost = next(path for path in on_disk(lab) if path.endswith("e3.ckpt"))
        lab.files.remove(lost)

        assert lab.prune("run").files == 6
        assert kept(lab) == [7]

    @pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.slow)])
    def test_killed_at_any_step_and_repeated_it_ends_clean(
        self, lab, made, copy_of, killed_at, step
    ):
        made.run("run", losses=LOSSES[:4])
        made.run("other", losses=LOSSES[:4])
        start, started = copy_of(lab), rows(lab)
        lab.prune(runs="lr == 0.1", best="val_loss")
        end, files = rows(lab), on_disk(lab)

        for statement in range(0, 10_000, step):
            with type(lab)(copy_of(type(lab)(start))) as killed:
                ended = killed_at(
                    statement,
                    lambda lab=killed: lab.prune(runs="lr == 0.1", best="val_loss"),
                    files=True,
                )
                assert {**rows(killed), "leftovers": []} in (started, end)
                assert [fault for fault in faults(killed) if "damaged" in fault] == []
                killed.prune(runs="lr == 0.1", best="val_loss")
                assert (rows(killed), on_disk(killed)) == (end, files)
            if ended.signal == 0:
                break
        assert statement > 15


def kept_by_name(lab, name):
    return sorted(lab.checkpoints(name)["epoch"])


class TestVerify:
    def test_names_what_is_damaged_or_missing(self, lab, made):
        made.pipeline("mlp")
        made.run("whole")
        report, first, *_ = sorted(on_disk(lab))
        lab.files.path(report).write_bytes(b"changed")
        lab.files.remove(first)

        found = lab.verify()

        assert found.files == 6
        assert {fault.path for fault in found.faults} == {report, first}
        assert all(" of run '" in fault.whose for fault in found.faults)
        assert any("missing" in fault.problem for fault in found.faults)
        assert any("damaged" in fault.problem for fault in found.faults)

    def test_of_some_or_of_all_the_trash_too(self, lab, made):
        made.pipeline("mlp", runs=2)
        made.run("run")

        assert lab.verify("mlp")[0] == 6
        assert lab.verify(runs="name == 'run'") == (3, 1024 + 2048 + 100, [])
        lab.delete("mlp")
        assert lab.verify().files == 9
        with pytest.raises(NotFoundError):
            lab.verify("mlp")
        assert names(lab) == [[], ["run"]]
