"""What PyTorch says, in float64: convolutions, pooling, activations, losses, optimizers, schedules, Unfold and Fold.

    python tests/oracle/torch_values.py       writes values/{conv2d,pool2d,pointwise,training,recipe,operators,batch_norm,unfold}.safetensors

Inputs are not recorded: both sides draw them from the same little generator (numbers() below, oracle::numbers in
tests/oracle/oracle.h). They are multiples of 2^-23 in [-1, 1), exact in float32 too. Each table of cases is an int64
tensor "<what>.cases", a row a case, beginning with the 16 sizes of GEOMETRY; case k's results are "<what>.<k>.<name>".
"""

import functools
import os

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
GEOMETRY = "n ic ih iw oc kh kw sh sw top left bottom right dh dw groups".split()


def numbers(shape, key):
    """Numbers in [-1, 1) from a 32-bit congruential generator (Numerical Recipes), its upper 24 bits."""
    state = (key * 2654435761 + 1) % 2**32
    out = np.empty(int(np.prod(shape)))
    for at in range(len(out)):
        state = (1664525 * state + 1013904223) % 2**32
        out[at] = (state >> 8) / 2**23 - 1
    return torch.from_numpy(out.reshape(shape))


class Geometry:
    def __init__(self, row):
        for name, value in zip(GEOMETRY, row):
            setattr(self, name, int(value))
        self.stride, self.dilation, self.kernel = (self.sh, self.sw), (self.dh, self.dw), (self.kh, self.kw)
        self.padding = (self.left, self.right, self.top, self.bottom)  # the order of F.pad
        self.x = (self.n, self.ic, self.ih, self.iw)

    def fits(self):
        return (self.ih + self.top + self.bottom >= self.dh * (self.kh - 1) + 1
                and self.iw + self.left + self.right >= self.dw * (self.kw - 1) + 1)


def row(n=1, ic=1, size=(5, 5), oc=1, kernel=(3, 3), stride=(1, 1), pads=(0, 0, 0, 0), dilation=(1, 1), groups=1):
    """pads: top, left, bottom, right."""
    return [n, ic, *size, oc, *kernel, *stride, *pads, *dilation, groups]


CONVOLUTIONS = [
    row(1, 3, (4, 4), 2, (2, 2)),                                             # the article's
    row(2, 3, (4, 4), 2, (2, 2)),
    row(2, 1, (12, 12), 6, (5, 5)),                                           # LeNet-5, smaller
    row(2, 6, (7, 7), 4, (5, 5)),
    row(3, 2, (6, 6), 3, (3, 3), pads=(1, 1, 1, 1)),
    row(2, 3, (9, 9), 4, (3, 3), (2, 2), (1, 1, 1, 1)),
    row(1, 3, (11, 11), 4, (7, 7), (2, 2), (3, 3, 3, 3)),                     # ResNet's first layer, smaller
    row(1, 3, (19, 19), 2, (11, 11), (4, 4), (2, 2, 2, 2)),                   # AlexNet's first layer, smaller
    row(2, 4, (5, 5), 6, (1, 1)),                                             # 1x1
    row(2, 4, (5, 6), 6, (1, 1), (2, 2)),
    row(3, 4, (1, 1), 5, (1, 1)),
    row(2, 3, (5, 4), 7, (5, 4)),                                             # the kernel is the image
    row(2, 3, (3, 3), 2, (5, 5), pads=(1, 1, 1, 1)),                          # ... and its padding
    row(2, 2, (7, 9), 3, (2, 2), (3, 3)),                                     # stride larger than the kernel
    row(1, 2, (8, 7), 3, (1, 2), (3, 4)),
    row(2, 2, (5, 9), 3, (3, 2)),                                             # non-square
    row(2, 2, (9, 5), 3, (1, 4), pads=(0, 2, 0, 1)),
    row(1, 2, (4, 10), 2, (3, 5), (1, 2), (1, 2, 1, 2)),
    row(2, 2, (10, 1), 3, (3, 1)),                                            # one pixel wide
    row(2, 2, (1, 10), 3, (1, 3), (1, 2)),
    row(2, 3, (6, 6), 2, (3, 3), pads=(1, 0, 0, 0)),                          # asymmetric padding
    row(2, 3, (6, 6), 2, (3, 3), pads=(0, 1, 0, 0)),
    row(2, 3, (6, 6), 2, (3, 3), pads=(0, 0, 1, 0)),
    row(2, 3, (6, 6), 2, (3, 3), pads=(0, 0, 0, 1)),
    row(1, 2, (5, 7), 3, (4, 3), (2, 3), (2, 0, 1, 3)),
    row(2, 2, (8, 8), 3, (2, 2), (2, 2), (0, 1, 2, 1)),
    row(2, 2, (9, 9), 3, (3, 3), dilation=(2, 2)),                            # dilation
    row(1, 3, (9, 11), 2, (3, 3), (2, 1), (2, 2, 2, 2), (2, 3)),
    row(2, 2, (8, 8), 2, (2, 3), (1, 2), (3, 0, 1, 2), (3, 1)),
    row(1, 1, (10, 10), 2, (4, 4), (1, 1), (0, 0, 0, 0), (3, 3)),
    row(2, 4, (6, 6), 6, (3, 3), pads=(1, 1, 1, 1), groups=2),                # groups
    row(2, 6, (5, 7), 3, (3, 2), (2, 1), (1, 0, 1, 1), groups=3),
    row(1, 4, (6, 5), 8, (1, 1), groups=4),
    row(2, 5, (6, 6), 5, (3, 3), pads=(1, 1, 1, 1), groups=5),                # depthwise
    row(2, 3, (7, 6), 6, (3, 3), (2, 2), (1, 1, 1, 1), groups=3),             # ... with a multiplier
    row(1, 4, (8, 8), 4, (3, 3), (1, 1), (2, 2, 2, 2), (2, 2), 4),
    row(3, 2, (4, 4), 4, (2, 2), (2, 2), groups=2),
    row(3, 1, (3, 3), 1, (3, 3), (1, 1), (2, 2, 2, 2)),                       # full correlation
    row(1, 1, (1, 1), 1, (3, 3), (1, 1), (1, 1, 1, 1)),
    row(3, 3, (5, 6), 5, (3, 3), (3, 3), (1, 2, 2, 1)),
    row(2, 17, (3, 3), 33, (2, 2)),                                           # more channels than lanes
    row(1, 8, (4, 4), 16, (3, 3), pads=(1, 1, 1, 1)),
    row(2, 2, (5, 37), 2, (3, 3), pads=(1, 1, 1, 1)),                         # rows longer than lanes
    row(1, 1, (6, 6), 1, (2, 2), (5, 1), (0, 0, 0, 0)),                       # pixels no window reads
    row(3, 2, (9, 8), 3, (3, 2), (2, 3), (0, 2, 3, 1), (2, 1)),
    row(2, 9, (2, 2), 6, (2, 1), (1, 1), (1, 1, 0, 1), (1, 1), 3),
]


def cases_of(rows, *extra):
    return np.array([r + [e[k] for e in extra] for k, r in enumerate(rows)], dtype=np.int64)


def gradients(y, dy, *inputs):
    return [g.numpy() for g in torch.autograd.grad(y, inputs, dy)]


def conv2d():
    out = {"conv2d.cases": cases_of(CONVOLUTIONS)}
    for k, r in enumerate(CONVOLUTIONS):
        g = Geometry(r)
        assert g.fits()
        x = numbers(g.x, 4 * k).requires_grad_()
        w = numbers((g.oc, g.ic // g.groups, g.kh, g.kw), 4 * k + 1).requires_grad_()
        b = numbers((g.oc,), 4 * k + 2).requires_grad_()
        y = F.conv2d(F.pad(x, g.padding), w, b, g.stride, 0, g.dilation, g.groups)
        dx, dw, db = gradients(y, numbers(y.shape, 4 * k + 3), x, w, b)
        for name, value in (("y", y.detach().numpy()), ("dx", dx), ("dw", dw), ("db", db)):
            out[f"conv2d.{k}.{name}"] = value
    return out


POOLINGS = [
    row(2, 3, (6, 6), 3, (2, 2), (2, 2)),
    row(2, 2, (7, 5), 2, (2, 2), (2, 2)),                     # pixels left over
    row(2, 2, (7, 7), 2, (3, 3), (2, 2)),                     # overlap
    row(1, 2, (6, 8), 2, (3, 2), (1, 1)),
    row(2, 2, (7, 8), 2, (3, 3), (2, 2), (1, 1, 1, 1)),       # overlap and padding
    row(3, 1, (5, 5), 1, (5, 5)),                             # global
    row(1, 3, (9, 9), 3, (2, 3), (3, 4), (1, 1, 1, 1)),       # stride larger than the kernel
    row(2, 2, (4, 9), 2, (2, 4), (1, 2), (1, 2, 1, 2)),
]
ASYMMETRIC = [
    row(2, 2, (6, 6), 2, (3, 3), (2, 2), (1, 0, 0, 1)),
    row(1, 2, (5, 7), 2, (2, 3), (2, 1), (0, 2, 1, 1)),
]


def pool2d():
    out = {}
    rows = [r for r in POOLINGS + ASYMMETRIC for _ in range(2)]
    include = [k % 2 for k in range(len(rows))]
    out["average.cases"] = cases_of(rows, include)
    for k, (r, with_pad) in enumerate(zip(rows, include)):
        g = Geometry(r)
        x = numbers(g.x, 1000 + 2 * k).requires_grad_()

        def mean(v):
            return F.avg_pool2d(F.pad(v, g.padding), g.kernel, g.stride)

        y = mean(x) if with_pad else mean(x) / mean(torch.ones_like(x))
        if g.top == g.bottom and g.left == g.right:
            native = F.avg_pool2d(x, g.kernel, g.stride, (g.top, g.left), count_include_pad=bool(with_pad))
            assert torch.allclose(y, native, rtol=1e-14, atol=1e-15)
        dx, = gradients(y, numbers(y.shape, 1000 + 2 * k + 1), x)
        out[f"average.{k}.y"], out[f"average.{k}.dx"] = y.detach().numpy(), dx

    rows = [r for r in POOLINGS for _ in range(2)] + [row(1, 2, (9, 8), 2, (3, 2), (1, 2), (1, 1, 1, 1), (2, 3))]
    ties = [k % 2 for k in range(len(rows))]
    out["max.cases"] = cases_of(rows, ties)
    for k, (r, tied) in enumerate(zip(rows, ties)):
        g = Geometry(r)
        x = numbers(g.x, 2000 + 2 * k)
        if tied:
            x = torch.floor(2 * x)  # -2, -1, 0, 1: nearly every window holds its largest value twice
        else:
            assert len(x.unique()) == x.numel()
        x.requires_grad_()
        y, argmax = F.max_pool2d(x, g.kernel, g.stride, (g.top, g.left), g.dilation, return_indices=True)
        dx, = gradients(y, numbers(y.shape, 2000 + 2 * k + 1), x)
        out[f"max.{k}.y"], out[f"max.{k}.dx"] = y.detach().numpy(), dx
        out[f"max.{k}.argmax"] = argmax.numpy().astype(np.int32)
    return out


def pointwise():
    """Linear, activations, softmax, cross-entropy."""
    out = {}
    linear = [(1, 1, 1), (3, 7, 5), (4, 40, 12), (2, 33, 17), (7, 16, 1), (5, 1, 9)]  # n, in, out
    out["linear.cases"] = np.array(linear, dtype=np.int64)
    for k, (n, inputs, outputs) in enumerate(linear):
        x = numbers((n, inputs), 3000 + 4 * k).requires_grad_()
        w = numbers((outputs, inputs), 3001 + 4 * k).requires_grad_()
        b = numbers((outputs,), 3002 + 4 * k).requires_grad_()
        y = F.linear(x, w, b)
        dx, dw, db = gradients(y, numbers(y.shape, 3003 + 4 * k), x, w, b)
        for name, value in (("y", y.detach().numpy()), ("dx", dx), ("dw", dw), ("db", db)):
            out[f"linear.{k}.{name}"] = value

    # 200 numbers in [-1, 1), the same times 8, the multiples of 1/4 up to 30 both ways (0 among them), and tails.
    part = numbers((200,), 3500)
    tails = torch.tensor([0.0, -0.0, 1e3, -1e3, 2.0**-20, -(2.0**-20), 2.0**-60])
    x = torch.cat([part, 8 * part, torch.arange(-120, 121).double() / 4, tails])
    out["activation.x"] = x.numpy()
    dy = numbers(x.shape, 3501)
    functions = {"tanh": torch.tanh, "scaled_tanh": lambda v: 1.7159 * torch.tanh(v), "sigmoid": torch.sigmoid,
                 "relu": torch.relu}
    for name, function in functions.items():
        leaf = x.clone().requires_grad_()
        y = function(leaf)
        out[f"{name}.y"], (out[f"{name}.dx"],) = y.detach().numpy(), gradients(y, dy, leaf)

    # Logits in [-1, 1) times the scale: 1000 leaves one class in float64's exp.
    logits = [(1, 10, 1), (8, 10, 1), (5, 10, 20), (4, 10, 1000), (3, 2, 1000), (6, 1, 1), (2, 100, 5), (3, 10, 0)]
    out["softmax.cases"] = np.array(logits, dtype=np.int64)  # n, classes, scale
    for k, (n, classes, scale) in enumerate(logits):
        x = (numbers((n, classes), 4000 + 3 * k) * scale).requires_grad_()
        y = F.softmax(x, dim=1)
        out[f"softmax.{k}.y"] = y.detach().numpy()
        out[f"softmax.{k}.dx"], = gradients(y, numbers(y.shape, 4001 + 3 * k), x)
        label = torch.floor((numbers((n,), 4002 + 3 * k) + 1) / 2 * classes).long()
        loss = F.cross_entropy(x, label)
        out[f"cross_entropy.{k}.loss"] = loss.detach().reshape(1).numpy()
        out[f"cross_entropy.{k}.dx"], = gradients(loss, torch.ones(()).double(), x)
        for name, smoothing in (("smoothed", 0.1), ("much_smoothed", 0.75)):
            loss = F.cross_entropy(x, label, label_smoothing=smoothing)
            out[f"{name}.{k}.loss"] = loss.detach().reshape(1).numpy()
            out[f"{name}.{k}.dx"], = gradients(loss, torch.ones(()).double(), x)
        other = (3 * label + 1) % classes
        share = ((numbers((n,), 4500 + k) + 1) / 2).reshape(n, 1)
        mixture = share * F.one_hot(label, classes) + (1 - share) * F.one_hot(other, classes)
        for name, smoothing in (("mixed", 0.0), ("mixed_smoothed", 0.1)):
            loss = F.cross_entropy(x, mixture, label_smoothing=smoothing)
            out[f"{name}.{k}.loss"] = loss.detach().reshape(1).numpy()
            out[f"{name}.{k}.dx"], = gradients(loss, torch.ones(()).double(), x)
    x = torch.tensor([[1000.0, -1000.0, 0.0], [-1000.0, 1000.0, 0.0], [-1000.0, -1000.0, -1000.0],
                      [1000.0, 1000.0, 1000.0]]).double().requires_grad_()
    loss = F.cross_entropy(x, torch.tensor([0, 0, 1, 2]))
    out["extreme.x"], out["extreme.loss"] = x.detach().numpy(), loss.detach().reshape(1).numpy()
    out["extreme.dx"], = gradients(loss, torch.ones(()).double(), x)
    return out


OPTIMIZERS = {  # the settings of torch.optim, in the order of the recorded "settings" tensors
    "sgd": [dict(lr=lr, momentum=m, weight_decay=d)
            for lr, m, d in ((0.1, 0, 0), (0.05, 0.9, 0), (0.1, 0, 0.01), (0.02, 0.9, 5e-4), (0.1, 0.5, 0.1))],
    "adam": [dict(lr=lr, betas=betas, eps=eps, weight_decay=d)
             for lr, betas, eps, d in ((1e-3, (0.9, 0.999), 1e-8, 0), (1e-2, (0.9, 0.999), 1e-8, 0.01),
                                       (0.1, (0.5, 0.9), 1e-3, 0), (1e-3, (0.0, 0.99), 1e-8, 0.1))],
}
OPTIMIZERS["nesterov"] = [dict(lr=lr, momentum=m, weight_decay=d) for lr, m, d in ((0.1, 0.9, 0), (0.02, 0.5, 0.05))]
OPTIMIZERS["adamw"] = [dict(lr=lr, betas=betas, eps=eps, weight_decay=d)
                       for lr, betas, eps, d in ((1e-3, (0.9, 0.999), 1e-8, 0.01), (0.1, (0.5, 0.9), 1e-3, 0.3))]
PARAMETERS, STEPS = 37, 5


def optimizer_steps(make, settings, key):
    """Parameters after each of 5 steps; the gradient's first element is always 0."""
    p = numbers((PARAMETERS,), key).requires_grad_()
    optimizer = make([p], **settings)
    after = []
    for step in range(STEPS):
        p.grad = numbers((PARAMETERS,), key + 1 + step)
        p.grad[0] = 0
        optimizer.step()
        after.append(p.detach().numpy().copy())
    return np.array(after)


def schedule(make, lr, steps):
    """The learning rate of each step, first to last."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    scheduler = make(optimizer)
    rates = []
    for step in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step + 1 < steps:
            scheduler.step()
    return np.array(rates)


# Kind (constant, cosine, one-cycle, step), rate, steps an epoch, epochs, warm-up in epochs, gamma, step size, milestones.
SCHEDULES = [(0, 0.1, 5, 4, 2, 0.1, 0, 0, 0, 0), (1, 0.1, 7, 6, 2, 0.1, 0, 0, 0, 0), (1, 0.3, 10, 3, 0.5, 0.1, 0, 0, 0, 0),
             (2, 0.2, 10, 5, 1, 0.1, 0, 0, 0, 0), (2, 0.05, 4, 10, 6, 0.1, 0, 0, 0, 0), (3, 0.1, 3, 10, 0, 0.1, 3, 0, 0, 0),
             (3, 0.4, 1, 9, 0, 0.5, 1, 0, 0, 0), (3, 0.1, 4, 9, 0, 0.2, 0, 2, 5, 8), (3, 0.1, 4, 9, 3, 0.2, 0, 2, 5, 8),
             (3, 0.1, 6, 5, 1.5, 0.7, 2, 0, 0, 0)]


def rates(kind, lr, steps, epochs, warmup, gamma, size, *milestones):
    """SCHEDULES as torch composes them, stepped after every optimizer step."""
    of, total, rise = torch.optim.lr_scheduler, steps * epochs, round(warmup * steps)

    def make(o):
        if kind == 2:
            return of.OneCycleLR(o, lr, total_steps=total, pct_start=rise / total)
        warm = [of.LinearLR(o, start_factor=0.01, total_iters=rise)] if rise else []
        if kind == 0:
            return warm[0]
        if kind == 1:
            return of.SequentialLR(o, warm + [of.CosineAnnealingLR(o, total - rise)], [rise])
        at = [m * steps for m in milestones if m] or range(size * steps, total, size * steps)
        return of.ChainedScheduler(warm + [of.MultiStepLR(o, list(at), gamma)])

    return schedule(make, lr, total)


class RecipeNet(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 4, 3, padding=1)
        self.bn = torch.nn.BatchNorm2d(4)
        self.fc = torch.nn.Linear(64, 5)

    def forward(self, x):
        return self.fc(F.max_pool2d(F.relu(self.bn(self.conv(x))), 2).flatten(1))


def recipe():
    """Six epochs of a small network with all that a recipe may hold: Nesterov, weight decay, cosine after a warm-up,
    label smoothing, a clipped gradient, a moving average of the weights."""
    images, batch, epochs, lr = 40, 8, 6, 0.2
    net = RecipeNet().double()
    with torch.no_grad():
        for k, (name, p) in enumerate(net.named_parameters()):
            if not name.startswith("bn."):
                p.copy_(numbers(p.shape, 8000 + k) / 2)
    x, labels = numbers((images, 1, 8, 8), 8100), torch.arange(images) * 7 % 5
    steps = images // batch
    learning_rates = rates(1, lr, steps, epochs, 1.5, 0.1, 0)
    optimizer = torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9, nesterov=True, weight_decay=5e-4)
    swa = torch.optim.swa_utils
    average = swa.AveragedModel(net, multi_avg_fn=swa.get_ema_multi_avg_fn(0.9), use_buffers=True)
    losses, norms = [], []
    for step, rate in enumerate(learning_rates):
        first = step % steps * batch
        chosen = slice(first, first + batch)
        loss = F.cross_entropy(net(x[chosen]), labels[chosen], label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(net.parameters(), 1.1).item())
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
        average.update_parameters(net)
        losses.append(loss.item())
    assert 5 < sum(n > 1.1 for n in norms) < len(norms) - 5
    out = {"losses": np.array(losses), "norms": np.array(norms)}
    for prefix, model in (("raw.", net), ("ema.", average.module)):
        for name, value in model.state_dict().items():
            if "num_batches" not in name:
                out[prefix + name] = value.double().numpy()
    average.module.eval()
    out["logits"] = average.module(x).detach().numpy()
    return out


def training():
    out = {}
    nesterov = functools.partial(torch.optim.SGD, nesterov=True)
    makers = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "nesterov": nesterov, "adamw": torch.optim.AdamW}
    for key, (name, make) in zip((5000, 5500, 5600, 5700), makers.items()):
        flat = []
        for k, settings in enumerate(OPTIMIZERS[name]):
            out[f"{name}.{k}.after"] = optimizer_steps(make, settings, key + 10 * k)
            flat.append(np.hstack(list(settings.values())))
        out[f"{name}.settings"] = np.array(flat, dtype=np.float64)

    runs = [(0.01, 20), (0.1, 50), (0.003, 7), (1.0, 1000), (0.2, 4), (0.5, 3), (0.1, 1)]  # rate, steps
    out["schedule.runs"] = np.array(runs)
    rates_of = torch.optim.lr_scheduler
    for k, (lr, steps) in enumerate(runs):
        out[f"one_cycle.{k}"] = schedule(lambda o: rates_of.OneCycleLR(o, lr, total_steps=steps), lr, steps)
        out[f"cosine.{k}"] = schedule(lambda o: rates_of.CosineAnnealingLR(o, steps), lr, steps)
    out["schedules"] = np.array(SCHEDULES)
    for k, case in enumerate(SCHEDULES):
        out[f"rates.{k}"] = rates(*(int(v) if float(v).is_integer() else v for v in case))
    return out


UNFOLDS = [
    row(1, 3, (4, 4), 1, (2, 2)),
    row(2, 3, (4, 4), 1, (2, 2)),
    row(2, 2, (5, 8), 1, (3, 2), (2, 2), (1, 1, 1, 1)),
    row(2, 2, (9, 7), 1, (3, 3), (1, 2), (2, 0, 2, 0), (2, 1)),
    row(3, 1, (6, 5), 1, (2, 2), (3, 3)),
    row(1, 2, (4, 3), 1, (4, 3)),
    row(2, 4, (3, 5), 1, (1, 1), (1, 2)),
]


# n, ic, ih, iw, oc, kernel (2), stride (2), padding (2), dilation (2), groups, output padding (2), bias
TRANSPOSED = [
    (2, 3, 4, 4, 2, 3, 3, 1, 1, 0, 0, 1, 1, 1, 0, 0, 1),
    (2, 4, 5, 3, 6, 2, 2, 2, 2, 0, 0, 1, 1, 1, 0, 0, 1),                      # U-Net's
    (1, 3, 4, 5, 2, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1),                      # twice the size
    (3, 4, 3, 4, 6, 4, 3, 2, 1, 1, 0, 1, 1, 2, 0, 0, 1),                      # groups
    (2, 5, 3, 3, 5, 3, 3, 1, 1, 1, 1, 1, 1, 5, 0, 0, 0),                      # depthwise
    (2, 2, 4, 3, 3, 2, 3, 1, 2, 0, 1, 3, 2, 1, 2, 1, 1),                      # dilation, and more padding than stride
    (2, 3, 1, 1, 4, 5, 4, 1, 1, 0, 0, 1, 1, 1, 0, 0, 1),                      # from one pixel
    (2, 17, 3, 3, 2, 1, 1, 1, 1, 0, 0, 1, 1, 1, 0, 0, 0),
    (18, 2, 3, 3, 2, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 0, 1),                     # more images than a shard
]
PADS = [(1, 0, 2, 1), (3, 2, 3, 2), (0, 0, 0, 0), (0, 3, 1, 0)]  # left, right, top, bottom
PRELUS = [((3, 4, 5, 2), 4), ((3, 4, 5, 2), 1), ((5, 7), 7), ((2, 3), 1), ((20, 2, 3, 3), 2)]
PERMUTES = [(0, 2, 3, 1), (0, 3, 1, 2), (0, 1, 3, 2), (0, 3, 2, 1)]


def operators():
    out = {"transposed.cases": np.array(TRANSPOSED, dtype=np.int64)}
    for k, (n, ic, ih, iw, oc, kh, kw, sh, sw, ph, pw, dh, dw, groups, oh, ow, bias) in enumerate(TRANSPOSED):
        x, w, b = (numbers(shape, 9000 + 4 * k + i).requires_grad_()
                   for i, shape in enumerate(((n, ic, ih, iw), (ic, oc // groups, kh, kw), (oc,))))
        y = F.conv_transpose2d(x, w, b if bias else None, (sh, sw), (ph, pw), (oh, ow), groups, (dh, dw))
        names, leaves = ("dx", "dw", "db")[:2 + bias], (x, w, b)[:2 + bias]
        out[f"transposed.{k}.y"] = y.detach().numpy()
        for name, value in zip(names, gradients(y, numbers(y.shape, 9003 + 4 * k), *leaves)):
            out[f"transposed.{k}.{name}"] = value

    def one(name, key, shape, function, *more):
        x = numbers(shape, key).requires_grad_()
        y = function(x, *more)
        values = gradients(y, numbers(y.shape, key + 1), x, *more)
        for part, value in zip(("y", "dx", "dw"), [y.detach().numpy(), *values]):
            out[f"{name}.{part}"] = value

    out["pads"] = np.array(PADS, dtype=np.int64)
    for k, pads in enumerate(PADS):
        one(f"pad.constant.{k}", 9200 + 2 * k, (2, 3, 4, 5), lambda x: F.pad(x, pads, value=1.25))
        one(f"pad.reflect.{k}", 9220 + 2 * k, (2, 3, 4, 5), lambda x: F.pad(x, pads, "reflect"))
        one(f"pad.edge.{k}", 9240 + 2 * k, (2, 3, 4, 5), lambda x: F.pad(x, pads, "replicate"))
    for k, (shape, slopes) in enumerate(PRELUS):
        out[f"prelu.{k}.shape"] = np.array(shape + (slopes,), dtype=np.int64)
        one(f"prelu.{k}", 9300 + 3 * k, shape, F.prelu, numbers((slopes,), 9302 + 3 * k).requires_grad_())
    out["permutes"] = np.array(PERMUTES, dtype=np.int64)
    for k, dims in enumerate(PERMUTES):
        one(f"permute.{k}", 9400 + 2 * k, (3, 3, 4, 5), lambda x: x.permute(dims))
    one("reshape", 9420, (3, 3, 4, 5), lambda x: x.reshape(3, 2, 3, 10))
    one("log_softmax", 9430, (19, 7), lambda x: F.log_softmax(20 * x, 1))
    one("selu", 9440, (2, 3, 4, 5), lambda x: F.selu(4 * x))
    one("softsign", 9450, (2, 3, 4, 5), lambda x: F.softsign(4 * x))
    return out


BATCH_NORMS = [  # shape of x, eps, momentum
    ((4, 3, 5, 6), 1e-5, 0.1), ((2, 20, 4, 4), 1e-3, 0.5), ((7, 5), 1e-5, 0.1), ((1, 2, 3, 3), 1e-5, 1.0), ((19, 1, 1, 1), 1e-5, 0.0)]


def batch_norm():
    """One step of training, and inference with the running statistics behind it."""
    out = {}
    for k, (shape, eps, momentum) in enumerate(BATCH_NORMS):
        channels = shape[1]
        x = (3 * numbers(shape, 7000 + 8 * k) + 1).requires_grad_()
        w, b = (numbers((channels,), 7001 + 8 * k + i).requires_grad_() for i in range(2))
        mean, var = numbers((channels,), 7003 + 8 * k), 1.5 + numbers((channels,), 7004 + 8 * k)
        y = F.batch_norm(x, mean, var, w, b, True, momentum, eps)
        dx, dw, db = gradients(y, numbers(shape, 7005 + 8 * k), x, w, b)
        asked = F.batch_norm(x, mean, var, w, b, False, momentum, eps)
        for name, value in (("y", y.detach().numpy()), ("dx", dx), ("dw", dw), ("db", db), ("mean", mean.numpy()),
                            ("var", var.numpy()), ("asked", asked.detach().numpy())):
            out[f"batch_norm.{k}.{name}"] = value
        out[f"batch_norm.{k}.shape"] = np.array(shape, dtype=np.int64)
        out[f"batch_norm.{k}.settings"] = np.array([eps, momentum])
    return out


def unfold():
    out = {"unfold.cases": cases_of(UNFOLDS)}
    for k, r in enumerate(UNFOLDS):
        g = Geometry(r)
        settings = dict(kernel_size=g.kernel, dilation=g.dilation, padding=(g.top, g.left), stride=g.stride)
        columns = F.unfold(numbers(g.x, 6000 + 2 * k), **settings)
        out[f"unfold.{k}.columns"] = columns.numpy()
        out[f"unfold.{k}.image"] = F.fold(numbers(columns.shape, 6001 + 2 * k), (g.ih, g.iw), **settings).numpy()
        out[f"unfold.{k}.overlap"] = F.fold(torch.ones_like(columns), (g.ih, g.iw), **settings)[0, 0].int().numpy()
    return out


def main():
    torch.set_num_threads(1)
    assert len(CONVOLUTIONS) >= 40
    for make in (conv2d, pool2d, pointwise, training, recipe, operators, batch_norm, unfold):
        tensors = {name: np.ascontiguousarray(value) for name, value in make().items()}
        assert all(np.isfinite(value).all() for value in tensors.values())
        save_file(tensors, os.path.join(HERE, "values", f"{make.__name__}.safetensors"))


if __name__ == "__main__":
    main()
