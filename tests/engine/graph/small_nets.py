import torch


def mlp(inputs=12, outputs=3, *, dropout=0.0):
    torch.manual_seed(1)
    return torch.nn.Sequential(
        torch.nn.Linear(inputs, 16),
        torch.nn.BatchNorm1d(16),
        torch.nn.ReLU(),
        torch.nn.Dropout(dropout),
        torch.nn.Linear(16, outputs),
    )


def same_state(left, right):
    return all(
        torch.equal(value, right.state_dict()[name]) for name, value in left.state_dict().items()
    )
