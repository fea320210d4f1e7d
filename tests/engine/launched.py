"""A training script on default_main, for test_launch.py: ``launched.py OUTPUT [--fail KIND]``"""

from __future__ import annotations

import argparse

import torch
from detectron2.utils import comm
from tiny import TinyLoader, TinyTrainer, tiny_config, validated_config

from d2ext.engine import default_main, default_setup


class ShardedTrainer(TinyTrainer):
    """Stops early, after three steps: its score never improves. Only the main process knows the score."""

    dropout = 0.0  # drawn per process

    @classmethod
    def test(cls, cfg, model, evaluators=None):
        return {"score": 1.0} if comm.is_main_process() else {}

    @classmethod
    def build_train_loader(cls, cfg):
        return TinyLoader(cfg, comm.get_rank(), comm.get_world_size())


class BrokenDataset(torch.utils.data.Dataset):
    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> torch.Tensor:
        raise ValueError("image_2/000001.png: not an image")


class BrokenDataTrainer(TinyTrainer):
    @classmethod
    def build_train_loader(cls, cfg):
        return torch.utils.data.DataLoader(BrokenDataset(), num_workers=1)


class DivergingTrainer(TinyTrainer):
    @classmethod
    def build_train_loader(cls, cfg):
        return [[torch.full((6,), float("inf"))] * 4]


def main(args: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    cfg = tiny_config(args.output) if args.fail else validated_config(args.output)
    cfg.TEST.EVAL_PERIOD, cfg.SOLVER.PATIENCE = (0, 0) if args.fail else (1, 2)
    cfg.SOLVER.MAX_ITER = 3 if args.fail else 50
    if args.fail == "key":
        cfg.merge_from_list(["MODEL.NO_SUCH_KEY", "1"])
    if args.fail == "bug":
        raise TypeError("a bug")
    default_setup(cfg, args)
    kinds = {"": ShardedTrainer, "data": BrokenDataTrainer, "nan": DivergingTrainer}
    trainer = kinds[args.fail](cfg)
    trainer.resume_or_load(resume=False)
    trainer.train()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("output")
    parser.add_argument("--fail", default="")
    parser.add_argument("--num-gpus", type=int, default=1)
    parser.set_defaults(num_machines=1, machine_rank=0, dist_url="auto")
    default_main(main, parser.parse_args())
