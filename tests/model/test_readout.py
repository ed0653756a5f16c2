"""Readouts against loops over groups, with groups of any size and order."""

from __future__ import annotations

import pytest
import torch

from hemenet_lab.model.readout import (
    Counting,
    Mean,
    Readout,
    StatisticsPooling,
    Sum,
    TaskAware,
    Weighted,
)

DIM, TASKS, GROUPS = 16, 3, 4
KINDS = [TaskAware, Counting, StatisticsPooling, Sum, Mean, Weighted]


@pytest.fixture
def nodes():
    """Features [11, 16] and groups in mixed order; group 2 is empty, group 3 has one node."""
    h = torch.randn(11, DIM, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return h, torch.tensor([1, 0, 1, 1, 3, 0, 0, 1, 0, 1, 0])


def make(kind: type[Readout]) -> Readout:
    torch.manual_seed(1)
    readout = kind(DIM, TASKS).double()
    for parameter in readout.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return readout.eval()


def slow_task_aware(
    readout: TaskAware, h: torch.Tensor, group: torch.Tensor, groups: int = GROUPS
) -> torch.Tensor:
    """Eq. 5-6 for each group, task and head, with keys and values of every node."""
    width, result = h.shape[1] // readout.num_heads, []
    for prompt in readout.prompt:
        query, rows = readout.query(prompt), []
        for number in range(groups):
            x = h[group == number]
            keys, values, context = readout.key(x), readout.value(x), []
            for head in range(readout.num_heads):
                part = slice(head * width, (head + 1) * width)
                alpha = (keys[:, part] @ query[part] / width**0.5).softmax(0)
                context.append(alpha @ values[:, part])
            f = readout.layernorm1(torch.cat(context) + readout.linear1(prompt) * query)
            y = readout.linear[2](readout.linear[0](f).relu())
            rows.append(readout.layernorm2(y + readout.linear2(prompt) * f))
        result.append(torch.stack(rows))
    return torch.stack(result)


def test_task_aware_equals_the_equations(nodes):
    readout = make(TaskAware)
    full = torch.tensor([0, 1, 3])
    got = readout(*nodes, GROUPS)
    want = slow_task_aware(readout, *nodes)
    torch.testing.assert_close(got[:, full], want[:, full], rtol=1e-10, atol=1e-12)


def test_task_aware_gradients_equal_those_of_the_equations(nodes):
    h, group = nodes
    readout = make(TaskAware)
    inputs = [h.requires_grad_(), *readout.parameters()]
    full = torch.tensor([0, 1, 3])
    got = torch.autograd.grad(readout(h, group, GROUPS)[:, full].sin().sum(), inputs)
    want = torch.autograd.grad(slow_task_aware(readout, h, group)[:, full].sin().sum(), inputs)
    torch.testing.assert_close(got, want, rtol=1e-8, atol=1e-10)


def test_attention_adds_up_to_one_per_group_and_is_what_forward_uses(nodes):
    h, group = nodes
    readout = make(TaskAware)
    alpha = readout.attention(h, group, GROUPS)
    assert alpha.shape == (TASKS, len(h), 8)
    total = torch.zeros(TASKS, GROUPS, 8).double().index_add(1, group, alpha)
    torch.testing.assert_close(total[:, [0, 1, 3]], torch.ones(TASKS, 3, 8).double())
    assert total[:, 2].eq(0).all()
    keys, query = readout.key(h).view(-1, 8, 2), readout.query(readout.prompt).view(-1, 8, 2)
    scores = torch.einsum("nhd,thd->tnh", keys, query) / 2**0.5
    torch.testing.assert_close(alpha[:, group == 1], scores[:, group == 1].softmax(1))


@pytest.mark.parametrize("kind", KINDS)
def test_one_group_at_a_time_gives_the_same(kind, nodes):
    h, group = nodes
    readout = make(kind)
    together = readout(h, group, GROUPS)
    assert together.shape == (TASKS, GROUPS, DIM)
    for number in range(GROUPS):
        alone = h[group == number]
        single = readout(alone, torch.zeros(len(alone), dtype=torch.long), 1)
        torch.testing.assert_close(single[:, 0], together[:, number], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_order_of_nodes_does_not_matter(kind, nodes):
    h, group = nodes
    readout = make(kind)
    order = torch.randperm(len(h), generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(
        readout(h[order], group[order], GROUPS), readout(h, group, GROUPS), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("kind", KINDS)
def test_empty_groups_and_no_nodes_or_groups_are_finite(kind, nodes):
    readout = make(kind)
    out = readout(nodes[0].requires_grad_(), nodes[1], GROUPS)
    out[:, 2].sum().backward()
    assert out.isfinite().all()
    assert nodes[0].grad.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in readout.parameters())
    nothing = torch.zeros(0, DIM).double(), torch.zeros(0, dtype=torch.long)
    assert readout(*nothing, 2).isfinite().all()
    assert readout(*nothing, 0).shape == (TASKS, 0, DIM)


def test_sum_mean_and_weighted_by_hand():
    h, group = torch.tensor([[1.0, 2], [3, 4], [5, 6]]), torch.tensor([0, 1, 1])
    assert Sum(2, 2)(h, group, 2).tolist() == [[[1, 2], [8, 10]]] * 2
    assert Mean(2, 2)(h, group, 2).tolist() == [[[1, 2], [4, 5]]] * 2
    averaged, weighted = Weighted(2, 2, reduce="mean"), Weighted(2, 2)
    weighted.prompt.data = torch.tensor([[1.0, 10], [0, -1]])
    assert weighted(h, group, 2).tolist() == [[[1, 20], [8, 100]], [[0, -2], [0, -10]]]
    averaged.prompt.data = weighted.prompt.data
    assert averaged(h, group, 2).tolist() == [[[1, 20], [4, 50]], [[0, -2], [0, -5]]]
    with pytest.raises(ValueError, match="reduce 'max'; allowed: sum, mean"):
        Weighted(2, 2, reduce="max")


def test_every_parameter_gets_a_gradient(nodes):
    readout = make(TaskAware)
    readout(*nodes, GROUPS).sin().sum().backward()
    assert all(p.grad is not None for p in readout.parameters())


def test_scores_stay_in_float32_under_autocast():
    torch.manual_seed(0)
    readout = TaskAware(64, 2)
    h, group = torch.randn(50, 64), torch.zeros(50, dtype=torch.long)
    want = readout.attention(h, group, 1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got, out = readout.attention(h, group, 1), readout(h, group, 1)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, want)
    assert out.isfinite().all()
    out.float().sum().backward()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert readout(h.bfloat16(), group, 1).isfinite().all()


@pytest.mark.parametrize("heads", [0, 3, 7])
def test_heads_that_do_not_divide_the_width_are_refused(heads):
    with pytest.raises(ValueError, match=f"width 16 cannot be split into {heads} heads"):
        TaskAware(16, 2, num_heads=heads)


def test_counting_adds_a_linear_of_the_sum(nodes):
    h, group = nodes
    counting, plain = make(Counting), TaskAware(DIM, TASKS).double()
    plain.load_state_dict(counting.state_dict(), strict=False)
    more = counting(h, group, GROUPS) - plain(h, group, GROUPS)
    for task, weight in enumerate(counting.count.weight.view(TASKS, DIM, DIM)):
        bias = counting.count.bias.view(TASKS, DIM)[task]
        for number in range(GROUPS):
            want = weight @ h[group == number].sum(0) / 50 + bias
            torch.testing.assert_close(more[task, number], want)
    twice = counting(h.repeat(2, 1), group.repeat(2), GROUPS)
    assert not torch.allclose(twice, counting(h, group, GROUPS))
    torch.testing.assert_close(
        plain(h.repeat(2, 1), group.repeat(2), GROUPS), plain(*nodes, GROUPS)
    )
    with pytest.raises(ValueError, match="per_nodes is 0"):
        Counting(DIM, TASKS, per_nodes=0)


def test_statistics_are_mean_largest_and_deviation_of_each_group(nodes):
    h, group = nodes
    found = make(StatisticsPooling).statistics(h, group, GROUPS)
    for number in (0, 1, 3):
        x = h[group == number]
        want = torch.cat([x.mean(0), x.amax(0), x.std(0, correction=0)])
        torch.testing.assert_close(found[number], want, rtol=1e-4, atol=1.1e-3)
    nothing = make(StatisticsPooling).statistics(torch.zeros(1, DIM), torch.tensor([0]), 1)
    torch.testing.assert_close(found[2], nothing[0])


def test_statistics_of_a_trained_model_have_mean_0_and_variance_1():
    torch.manual_seed(0)
    readout, group = StatisticsPooling(4, 1), torch.arange(40).repeat_interleave(5)
    h = torch.randn(200, 4) * torch.tensor([0.2, 1, 30, 1]) + torch.tensor([5.0, 0, 0, -40])
    for _ in range(200):
        readout.train()(h, group, 40)
    seen = []
    readout.linear.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    alone = readout.eval()(h[:5], group[:5], 1)
    torch.testing.assert_close(alone[:, 0], readout(h, group, 40)[:, 0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(seen[1].mean(0), torch.zeros(12), rtol=0, atol=0.02)
    torch.testing.assert_close(seen[1].std(0), torch.ones(12), rtol=0, atol=0.06)
    assert readout.train()(h[:5], group[:5], 1).isfinite().all()  # one group has no variance
    assert readout(h[:0], group[:0], 0).shape == (1, 0, 4)


def test_statistics_of_nodes_that_are_alike_have_finite_gradients():
    readout = make(StatisticsPooling)
    h = torch.ones(6, DIM, dtype=torch.float64, requires_grad=True)
    readout(h, torch.tensor([0, 0, 0, 1, 1, 1]), 3).sin().sum().backward()
    assert h.grad.isfinite().all()
    assert h.grad.abs().max() < 1e3


def test_statistics_in_half_precision_are_those_of_float32():
    torch.manual_seed(0)
    readout = StatisticsPooling(8, 2).eval()
    h, group = 100 + torch.randn(3000, 8), torch.zeros(3000, dtype=torch.long)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = readout.statistics(h.bfloat16(), group, 1)
        assert readout(h.bfloat16(), group, 1).isfinite().all()
    torch.testing.assert_close(found, readout.statistics(h.bfloat16().float(), group, 1))
    whole = StatisticsPooling(8, 2).bfloat16()
    assert whole(h.bfloat16(), group, 1).isfinite().all()


def test_statistics_compile_whole_for_all_sizes(nodes):
    readout = StatisticsPooling(DIM, TASKS).eval()
    compiled = torch.compile(readout, dynamic=True, fullgraph=True, backend="eager")
    h, group = nodes[0].float(), nodes[1]
    for size in (11, 7):
        args = h[:size], group[:size], GROUPS
        torch.testing.assert_close(compiled(*args), readout(*args))


def test_statistics_dropout_outside_0_to_1_is_refused():
    with pytest.raises(ValueError, match=r"dropout is 1\.0; it must be at least 0 and below 1"):
        StatisticsPooling(DIM, TASKS, dropout=1.0)
