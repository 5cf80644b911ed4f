import json

from engine.cross_validation import CrossValidation
from tests.engine.cross_validation.folding import folded
from tests.engine.experiment.plans import training
from tests.engine.small_experiments import fresh


def test_configurations_are_plain_and_make_equal_ones():
    strategy = fresh(folded, label="folds")
    experiment = strategy.experiment
    with experiment.ctx.activate():
        for made in (strategy, strategy.bindings[0], strategy.group, strategy.group.get_group(1)):
            config = json.loads(json.dumps(made.get_config()))
            assert config == made.get_config()
            assert type(made).from_config(config).get_config() == config
        again = CrossValidation.from_config(strategy.get_config())
    assert again.experiment is experiment
    assert [fold.label for fold in again.group] == ["fold_0", "fold_1", "fold_2"]
    assert again.group.get_group(2).bindings[0].stratify_by == "y"


def test_several_phases_make_a_fold():
    strategy = fresh(folded)
    with strategy.experiment.ctx.activate():
        phases = [training("a"), training("b")]
        several = CrossValidation(bindings=strategy.bindings[0], n_folds=2, phase=phases)
    assert [phase.label for phase in several.group.get_group(0)] == ["a", "b"]
