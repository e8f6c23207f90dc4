"""IRRA (Jiang and Ye, CVPR 2023): importing this package registers its components."""

from tbpsbench_irra.groups import IRRAGroups
from tbpsbench_irra.id_loss import IDLoss
from tbpsbench_irra.mlm_loss import MLM
from tbpsbench_irra.names import from_released, released_name

__all__ = ["MLM", "IDLoss", "IRRAGroups", "from_released", "released_name"]
