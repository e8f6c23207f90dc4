"""Built-in names and the files they live in; nothing here is imported until a config asks for it."""

from __future__ import annotations

BUILTINS: dict[str, dict[str, str]] = {
    "IMAGE_ENCODERS": {
        "ViT": "tbpsbench.backbones.vit:ViT",
        "CLIPImage": "tbpsbench.backbones.clip_image:CLIPImage",
    },
    "TEXT_ENCODERS": {
        "CLIPText": "tbpsbench.backbones.clip_text:CLIPText",
        "BERT": "tbpsbench.backbones.bert:BERT",
    },
    "HEADS": {
        "GlobalHead": "tbpsbench.heads.global_head:GlobalHead",
        "TokenHead": "tbpsbench.heads.token_head:TokenHead",
    },
    "DISENTANGLERS": {
        "BDAM": "tbpsbench.disentanglers.bdam:BDAM",
        "PatchMean": "tbpsbench.disentanglers.patch_mean:PatchMean",
    },
    "FUSERS": {
        "SimpleFuser": "tbpsbench.fusers.simple:SimpleFuser",
        "TransformerFuser": "tbpsbench.fusers.transformer:TransformerFuser",
        "MambaFuser": "tbpsbench.fusers.mamba:MambaFuser",
    },
    "LOSSES": {
        "InfoNCE": "tbpsbench.losses.infonce:InfoNCE",
        "MaxSim": "tbpsbench.losses.max_sim:MaxSim",
        "ITM": "tbpsbench.losses.itm:ITM",
        "SDM": "tbpsbench.losses.sdm:SDM",
        "CMPM": "tbpsbench.losses.cmpm:CMPM",
        "NITC": "tbpsbench.losses.nitc:NITC",
        "RITC": "tbpsbench.losses.ritc:RITC",
        "CITC": "tbpsbench.losses.citc:CITC",
        "SimCLR": "tbpsbench.losses.simclr:SimCLR",
        "TAL": "tbpsbench.losses.tal:TAL",
        "TRL": "tbpsbench.losses.trl:TRL",
        "ClothingAlignment": "tbpsbench.losses.clothing_alignment:ClothingAlignment",
        "Triplet": "tbpsbench.losses.triplet:Triplet",
        "HSIC": "tbpsbench.losses.hsic:HSIC",
        "GateRegularization": "tbpsbench.losses.gate:GateRegularization",
    },
    "BALANCERS": {
        "Fixed": "tbpsbench.balancers.fixed:Fixed",
        "GradNorm": "tbpsbench.balancers.gradnorm:GradNorm",
        "Uncertainty": "tbpsbench.balancers.uncertainty:Uncertainty",
    },
    "MODELS": {
        "PersonSearchModel": "tbpsbench.model.person_search:PersonSearchModel",
    },
    "SCHEDULES": {
        "cosine": "tbpsbench.schedules.cosine:Cosine",
        "constant": "tbpsbench.schedules.constant:Constant",
        "multistep": "tbpsbench.schedules.multistep:Multistep",
    },
    "PARAM_GROUPS": {
        "PatternGroups": "tbpsbench.engine.pattern_groups:PatternGroups",
    },
    "DATASETS": {
        "CUHKPEDES": "tbpsbench.data.cuhk_pedes:CUHKPEDES",
        "ICFGPEDES": "tbpsbench.data.icfg_pedes:ICFGPEDES",
        "RSTPReid": "tbpsbench.data.rstp_reid:RSTPReid",
        "UFine6926": "tbpsbench.data.ufine6926:UFine6926",
        "MiniPEDES": "tbpsbench.data.mini_pedes:MiniPEDES",
        "CSVDataset": "tbpsbench.data.csv_dataset:CSVDataset",
    },
    "CAPTION_SOURCES": {
        "human": "tbpsbench.captions.human:Human",
        "terse": "tbpsbench.captions.terse:Terse",
        "file": "tbpsbench.captions.file:File",
        "mtg": "tbpsbench.captions.mtg:MTG",
        "style_clustered": "tbpsbench.captions.style_clustered:StyleClustered",
    },
    "CLUSTERERS": {
        "none": "tbpsbench.captions.clustering.none:NoClusters",
        "Random": "tbpsbench.captions.clustering.random:Random",
        "KMeans": "tbpsbench.captions.clustering.kmeans:KMeans",
        "GMM": "tbpsbench.captions.clustering.gmm:GMM",
        "Agglomerative": "tbpsbench.captions.clustering.agglomerative:Agglomerative",
        "DBSCAN": "tbpsbench.captions.clustering.dbscan:DBSCAN",
        "HDBSCAN": "tbpsbench.captions.clustering.hdbscan:HDBSCAN",
        "UniformPrototypes": "tbpsbench.captions.clustering.uniform_prototypes:UniformPrototypes",
    },
    "TRANSFORMS": {
        "HorizontalFlip": "tbpsbench.data.transforms.flip:HorizontalFlip",
        "PadCrop": "tbpsbench.data.transforms.pad_crop:PadCrop",
        "ColorJitter": "tbpsbench.data.transforms.color_jitter:ColorJitter",
        "Normalize": "tbpsbench.data.transforms.normalize:Normalize",
        "RandomErasing": "tbpsbench.data.transforms.erasing:RandomErasing",
        "Rotation": "tbpsbench.data.transforms.rotation:Rotation",
        "Grayscale": "tbpsbench.data.transforms.grayscale:Grayscale",
        "RandomPick": "tbpsbench.data.transforms.random_pick:RandomPick",
        "RandomResizedCrop": "tbpsbench.data.transforms.random_resized_crop:RandomResizedCrop",
        "GaussianBlur": "tbpsbench.data.transforms.gaussian_blur:GaussianBlur",
    },
    "TEXT_TRANSFORMS": {
        "WordDrop": "tbpsbench.data.text_transforms.word_drop:WordDrop",
        "WordSwap": "tbpsbench.data.text_transforms.word_swap:WordSwap",
        "TokenMask": "tbpsbench.data.text_transforms.token_mask:TokenMask",
        "CaptionMix": "tbpsbench.data.text_transforms.caption_mix:CaptionMix",
    },
    "TOKENIZERS": {
        "CLIPBPE": "tbpsbench.data.tokenizers.clip_bpe:CLIPBPE",
        "WordPiece": "tbpsbench.data.tokenizers.wordpiece:WordPiece",
    },
    "SAMPLERS": {
        "Shuffle": "tbpsbench.data.samplers.shuffle:Shuffle",
        "IdentityBalanced": "tbpsbench.data.samplers.identity_balanced:IdentityBalanced",
    },
    "METRICS": {
        "RecallAtK": "tbpsbench.metrics.recall:RecallAtK",
        "MeanAP": "tbpsbench.metrics.mean_ap:MeanAP",
        "MeanINP": "tbpsbench.metrics.mean_inp:MeanINP",
        "TrapezoidalAP": "tbpsbench.metrics.trapezoidal_ap:TrapezoidalAP",
    },
    "RERANKERS": {
        "KReciprocal": "tbpsbench.rerankers.k_reciprocal:KReciprocal",
        "InvertedSoftmax": "tbpsbench.rerankers.inverted_softmax:InvertedSoftmax",
        "QueryExpansion": "tbpsbench.rerankers.query_expansion:QueryExpansion",
        "ImageTextMatching": "tbpsbench.rerankers.image_text_matching:ImageTextMatching",
    },
    "INTERACTORS": {
        "MTI": "tbpsbench.interaction.mti:MTI",
    },
    "INDEXES": {
        "exact": "tbpsbench.retrieval.exact:ExactIndex",
        "turbovec": "tbpsbench.retrieval.turbovec:TurbovecIndex",
        "faiss-hnsw": "tbpsbench.retrieval.faiss_hnsw:FaissHNSW",
        "faiss-ivfpq": "tbpsbench.retrieval.faiss_ivfpq:FaissIVFPQ",
        "faiss-rabitq": "tbpsbench.retrieval.faiss_rabitq:FaissRaBitQ",
        "qdrant": "tbpsbench.retrieval.qdrant:QdrantIndex",
    },
    "MLLM_CLIENTS": {
        "OpenAICompatible": "tbpsbench.mllm.openai_compatible:OpenAICompatible",
        "LocalTransformers": "tbpsbench.mllm.local:LocalTransformers",
        "Replay": "tbpsbench.mllm.replay:Replay",
        "Simulated": "tbpsbench.mllm.simulated:Simulated",
    },
    "PROTOCOLS": {
        "standard": "tbpsbench.protocols.standard:Standard",
        "without-captioned-image": "tbpsbench.protocols.without_captioned_image:WithoutCaptionedImage",
        "clothes-change": "tbpsbench.protocols.clothes_change:ClothesChange",
        "distractors": "tbpsbench.protocols.distractors:Distractors",
        "camera-filtered": "tbpsbench.protocols.camera_filtered:CameraFiltered",
    },
}


def torch_optimizers() -> dict[str, str]:
    """The optimisers of the installed torch; versions differ in what they have."""
    import torch

    found = {n: c for n, c in vars(torch.optim).items() if isinstance(c, type) and issubclass(c, torch.optim.Optimizer)}
    return {name: f"{cls.__module__}:{cls.__qualname__}" for name, cls in found.items() if name != "Optimizer"}
