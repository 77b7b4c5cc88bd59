"""The loop over time, forwards and back, shared out among threads.

A thread has some panels of 32 hidden units for the whole sequence: of a step it makes their part of
the recurrent product and of the cell, and waits for the others once. What a unit computes does not
depend on how many threads there are.

Arrays are C-contiguous float32 but where something else is said. Operands are what is multiplied:
bfloat16, kept as bytes, or float32.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from seqgen.config import Architecture
from seqgen.models.networks.cells import CELLS, Cell
from seqgen.models.networks.native import lanes
from seqgen.models.networks.native.kept import keep
from seqgen.models.networks.native.lanes import (
    INT,
    LANES,
    LONG,
    Lanes,
    add,
    load,
    load_everywhere,
    pointer,
    store,
    times,
)
from seqgen.models.networks.native.names import loops_name
from seqgen.models.networks.native.products import (
    PANEL,
    STEP,
    STEP_BYTES,
    make_product,
    share,
    tallest,
)
from seqgen.models.parameters import GATES, STATES

__all__ = ["make_loops", "wait"]

I64 = types.int64
SPINS = 1024  # looks at a counter before another program may have the processor


@intrinsic
def wait(_: Any, _counter: Any, _target: Any) -> Any:
    """Count up the 64-bit number at an address; go on when it has come to the target."""

    def write(context: Any, builder: ir.IRBuilder, _signature: Any, arguments: Any) -> Any:
        counter, target = pointer(builder, arguments[0]), arguments[1]
        nothing = ir.FunctionType(ir.VoidType(), ())
        pause = builder.module.declare_intrinsic("llvm.x86.sse2.pause", (), nothing)
        give_way = builder.module.globals.get("sched_yield") or ir.Function(
            builder.module, ir.FunctionType(INT, ()), "sched_yield"
        )
        builder.atomic_rmw("add", counter, LONG(1), "acq_rel")
        before = builder.block
        look, rest, done = (builder.append_basic_block(name) for name in ("look", "rest", "done"))
        builder.branch(look)
        builder.position_at_end(look)
        looks = builder.phi(LONG)
        looks.add_incoming(LONG(0), before)
        seen = builder.load_atomic(counter, "acquire", 8, typ=LONG)
        builder.cbranch(builder.icmp_signed(">=", seen, target), done, rest)
        builder.position_at_end(rest)
        builder.call(pause, ())
        following = add(builder, looks, 1)
        tired = builder.icmp_signed("==", builder.and_(following, LONG(SPINS - 1)), LONG(0))
        with builder.if_then(tired):
            builder.call(give_way, ())
        looks.add_incoming(following, builder.block)
        builder.branch(look)
        builder.position_at_end(done)
        return context.get_dummy_value()

    return types.void(I64, I64), write


def _make_state_operand(narrow: bool) -> Any:
    """Sixteen numbers of a state, times what is kept of it, as an operand."""

    @intrinsic
    def to_operand(_: Any, _state: Any, _keep: Any, _operand: Any) -> Any:
        def write(context: Any, builder: ir.IRBuilder, _signature: Any, arguments: Any) -> Any:
            state, keep, operand = arguments
            kept = Lanes(builder, load_everywhere(builder, keep))
            store(builder, kept * load(builder, state), operand, narrow=narrow)
            return context.get_dummy_value()

        return types.void(I64, I64, I64), write

    return to_operand


def _make_forward(cell: Cell, gates: int, states: int, narrow: bool) -> Any:
    """Sixteen units of a step: see forward in make_loops for what lies at the addresses."""

    @intrinsic
    def step(
        _: Any, x: Any, u: Any, bias: Any, unit: Any, keep: Any, state: Any, part: Any,
        saved: Any, hs: Any, keep_next: Any, operand: Any,
    ) -> Any:  # fmt: skip
        def write(context: Any, builder: ir.IRBuilder, _signature: Any, arguments: Any) -> Any:
            x, u, bias, unit, keep, state, part, saved, hs, keep_next, operand = arguments

            def at(address: ir.Value, n: int, apart: ir.Value) -> ir.Value:
                return add(builder, address, times(builder, apart, n))

            xs = [load(builder, at(x, gate, unit)) for gate in range(gates)]
            us = [load(builder, add(builder, u, 4 * PANEL * gate)) for gate in range(gates)]
            if cell.ways == 2:
                us = [u + load(builder, at(bias, gate, unit)) for gate, u in enumerate(us)]
                sums = [tuple(xs), tuple(us)]
            else:
                sums = [tuple(x + u for x, u in zip(xs, us, strict=True))]
            kept = Lanes(builder, load_everywhere(builder, keep))
            before = tuple(kept * load(builder, at(state, n, part)) for n in range(states))
            after, needed = cell.forward(lanes, sums, before)
            for n, vector in enumerate(after):
                store(builder, vector, at(state, n, part))
            for n, vector in enumerate(needed):
                store(builder, vector, at(saved, n, unit))
            store(builder, after[0], hs)
            following = after[0] * Lanes(builder, load_everywhere(builder, keep_next))
            store(builder, following, operand, narrow=narrow)
            return context.get_dummy_value()

        return types.void(*[I64] * 11), write

    return step


def _make_backward(cell: Cell, states: int, narrow: bool) -> Any:
    """The same back; see backward in make_loops."""

    @intrinsic
    def step(
        _: Any, d_hs: Any, d_u: Any, keep_next: Any, d_state: Any, part: Any, saved: Any, unit: Any,
        d_x_operand: Any, d_u_operand: Any, gate: Any,
    ) -> Any:  # fmt: skip
        def write(context: Any, builder: ir.IRBuilder, _signature: Any, arguments: Any) -> Any:
            d_hs, d_u, keep_next, d_state, part, saved, unit, *operands, gate = arguments

            def at(address: ir.Value, n: int, apart: ir.Value) -> ir.Value:
                return add(builder, address, times(builder, apart, n))

            kept = Lanes(builder, load_everywhere(builder, keep_next))
            d_h, *d_rest = (load(builder, at(d_state, n, part)) for n in range(states))
            d_h = load(builder, d_hs) + kept * (d_h + load(builder, d_u))
            after = (d_h, *(kept * d for d in d_rest))
            needed = tuple(load(builder, at(saved, n, unit)) for n in range(cell.saved))
            d_sums, before = cell.backward(after, needed)
            for n, vector in enumerate(before):
                store(builder, vector, at(d_state, n, part))
            for address, vectors in zip(operands, d_sums, strict=False):
                for n, vector in enumerate(vectors):
                    store(builder, vector, at(address, n, gate), narrow=narrow)
            return context.get_dummy_value()

        return types.void(*[I64] * 10), write

    return step


@functools.cache
def make_loops(arch: Architecture, narrow: bool) -> tuple[Any, Any]:
    """The loop ahead and the loop back, compiled when they are first called, in some seconds."""
    cell, gates, states = CELLS[arch], GATES[arch], STATES[arch]
    n_saved = cell.saved
    size = 2 if narrow else 4  # bytes of an operand's number
    product = make_product(narrow, tallest())
    forward_step = _make_forward(cell, gates, states, narrow)
    to_operand = _make_state_operand(narrow)
    backward_step = _make_backward(cell, states, narrow)

    @njit(nogil=True)
    def forward(
        inputs: Any, rows: Any, ahead: Any, bias: Any, keep: Any, state: Any,
        operand: Any, hs: Any, saved: Any, counter: Any, rank: int, ranks: int,
    ) -> None:  # fmt: skip
        """All steps ahead.

        Args:
            inputs: W x + b, (any, gates * hidden).
            rows: which of them each step takes, (time, batch) int32.
            ahead: U, packed by columns.
            bias: b', (gates * hidden,), where the cell has two ways.
            keep: see RecurrentNetwork.recur, but (time + 1, batch); the last row is not used.
            state: before the first step, and after the last, (states, batch, hidden).
            operand: set to h before each step, what is kept of it, and after the last,
                (time + 1, batch, hidden * size) uint8.
            hs: set to the hidden states, (time, batch, hidden).
            saved: set to what the way back needs, (time, batch, vectors, hidden).
            counter: one int64, 0.
        """
        time, batch, hidden = hs.shape
        width, steps = gates * hidden, hidden * size // STEP
        panels = hidden // PANEL
        first, last = share(panels, rank, ranks)
        u = np.empty((batch, gates, PANEL), np.float32)
        u_at, unit, part = u.ctypes.data, 4 * hidden, 4 * batch * hidden
        for b in range(batch):
            for j in range(first * PANEL, last * PANEL, LANES):
                place = b * hidden + j
                to_operand(
                    state.ctypes.data + 4 * place,
                    keep.ctypes.data + 4 * b,
                    operand.ctypes.data + size * place,
                )
        wait(counter.ctypes.data, ranks)
        for t in range(time):
            for panel in range(first, last):
                for gate in range(gates):
                    product(
                        batch,
                        operand.ctypes.data + t * batch * hidden * size,
                        hidden * size,
                        ahead.ctypes.data + (gate * panels + panel) * steps * STEP_BYTES,
                        steps,
                        u_at + gate * 4 * PANEL,
                        4 * gates * PANEL,
                    )
                for b in range(batch):
                    row = t * batch + b
                    for j in range(panel * PANEL, (panel + 1) * PANEL, LANES):
                        forward_step(
                            inputs.ctypes.data + 4 * (rows[t, b] * width + j),
                            u_at + 4 * (b * gates * PANEL + j - panel * PANEL),
                            bias.ctypes.data + 4 * j,
                            unit,
                            keep.ctypes.data + 4 * row,
                            state.ctypes.data + 4 * (b * hidden + j),
                            part,
                            saved.ctypes.data + 4 * (row * n_saved * hidden + j),
                            hs.ctypes.data + 4 * (row * hidden + j),
                            keep.ctypes.data + 4 * (row + batch),
                            operand.ctypes.data + size * ((row + batch) * hidden + j),
                        )
            wait(counter.ctypes.data, ranks * (t + 2))

    @njit(nogil=True)
    def backward(
        d_hs: Any, back: Any, keep: Any, saved: Any,
        d_x: Any, d_u: Any, counter: Any, rank: int, ranks: int,
    ) -> None:  # fmt: skip
        """All steps back.

        Args:
            d_hs: (time, batch, hidden).
            back: U, packed by rows.
            keep, saved, counter: see forward.
            d_x, d_u: set to these gradients as operands, (time, batch, gates * hidden * size)
                uint8; where the cell has one way they are one array.
        """
        time, batch, hidden = d_hs.shape
        width = gates * hidden
        steps = width * size // STEP
        first, last = share(hidden // PANEL, rank, ranks)
        d_state = np.zeros((states, batch, hidden), np.float32)
        d_h = np.zeros((batch, PANEL), np.float32)
        for k in range(time):
            t = time - 1 - k
            for panel in range(first, last):
                if k:
                    product(
                        batch,
                        d_u.ctypes.data + (t + 1) * batch * width * size,
                        width * size,
                        back.ctypes.data + panel * steps * STEP_BYTES,
                        steps,
                        d_h.ctypes.data,
                        4 * PANEL,
                    )
                for b in range(batch):
                    row = t * batch + b
                    for j in range(panel * PANEL, (panel + 1) * PANEL, LANES):
                        backward_step(
                            d_hs.ctypes.data + 4 * (row * hidden + j),
                            d_h.ctypes.data + 4 * (b * PANEL + j - panel * PANEL),
                            keep.ctypes.data + 4 * (row + batch),
                            d_state.ctypes.data + 4 * (b * hidden + j),
                            4 * batch * hidden,
                            saved.ctypes.data + 4 * (row * n_saved * hidden + j),
                            4 * hidden,
                            d_x.ctypes.data + size * (row * width + j),
                            d_u.ctypes.data + size * (row * width + j),
                            size * hidden,
                        )
            wait(counter.ctypes.data, ranks * (k + 1))

    name = loops_name(arch, narrow)
    return keep(forward, *name, "forward"), keep(backward, *name, "backward")
