"""Graphs in less than float32: half the bytes, or a quarter."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from tbpsbench.parts import require


def write_reduced(source: Path, target: Path, precision: str) -> None:
    """Write a float32 graph in another precision; its inputs and outputs stay as they are.

    Args:
        source: the graph.
        target: where to.
        precision: "float16", weights and values; or "int8", weights of matrix products, a scale for each column, with
            seven bits (on processors without VNNI instructions eight overflow), and tables of words. Values between
            them are quantised as they come.
    """
    if precision == "float16":
        onnx: Any = require("onnx", "onnx", "An export")
        halves: Any = require("onnxruntime.transformers.float16", "onnx", "An export in float16")
        onnx.save(halves.convert_float_to_float16(onnx.load(str(source)), keep_io_types=True), str(target))
        return
    quantization: Any = require("onnxruntime.quantization", "onnx", "An export in int8")
    level = logging.getLogger().level
    logging.getLogger().setLevel(logging.ERROR)  # it recommends a pass that torch's exporter has done already
    try:
        quantization.quantize_dynamic(
            str(source),
            str(target),
            op_types_to_quantize=["MatMul", "Gemm", "Gather"],
            per_channel=True,
            reduce_range=True,
            weight_type=quantization.QuantType.QInt8,
        )
    finally:
        logging.getLogger().setLevel(level)
