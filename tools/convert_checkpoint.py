"""Make a checkpoint of ours from other weights: released by a system's authors, or saved by an older tbpsbench.

For released weights the plug-in that the config names brings the converter. Every key is accounted for; nothing is
written if one is left over. tools/test.py and tbpsbench.load_system read what is written.
"""

from __future__ import annotations

from tbpsbench.cli import config_parser, run_tool
from tbpsbench.reading import given_path


def main() -> None:
    parser = config_parser(
        __doc__ or "",
        epilog="example:\n"
        "  python tools/convert_checkpoint.py CONFIG best.pth irra.pth\n"
        "  python tools/convert_checkpoint.py CONFIG best.pth irra.pth --cfg-options model.losses.id.num_ids=11003 "
        "model.losses.mlm.vocab_size=49408\n"
        "  python tools/convert_checkpoint.py work_dirs/old/config.py work_dirs/old/best.pth work_dirs/old/new.pth\n"
        "The second needs no data set: it says what the model would otherwise take from the data. The third converts\n"
        "a checkpoint from before checkpoints held their tokenizer; its training data must be where they were.",
    )
    parser.add_argument(
        "released", metavar="RELEASED", type=given_path, help="a released file, an older checkpoint, or bare weights"
    )
    parser.add_argument("out", metavar="OUT", type=given_path, help="the checkpoint to write")
    parser.add_argument("--partial", action="store_true", help="write it even if some keys do not fit, and list them")
    args = parser.parse_args()
    from tbpsbench.config.check import require_valid
    from tbpsbench.config.load import load_config

    config = load_config(args.config, args.cfg_options)
    require_valid(config)
    from tbpsbench.engine.convert import convert_checkpoint

    print(convert_checkpoint(config, args.released, args.out, partial=args.partial))
    print(f"wrote {args.out}")


if __name__ == "__main__":
    run_tool(main)
