"""RDE: noisy correspondences in text-to-image person re-identification (Qin et al., CVPR 2024), as a plug-in.

Importing it registers the head TSE, the hook CCD, the parameter grouping RDEGroups and the converter "rde".
"""

from tbpsbench_rde import ccd, convert, groups, tse

__all__ = ["ccd", "convert", "groups", "tse"]
