"""Times the authors' U-Net in PyTorch on a GPU: the same work as bench/gpu.ts, one JSON object a line.

    python peer.py --dtype float16 --work forward:8x32,step:4x32,forward:24x64,low:8x64

Needs beside it py/ with diffusers 0.11.1 and the authors' package, as pack.sh puts them there. Attention is
torch's fused kernel; --plain takes the authors' own. float16 forward passes run in float16 altogether; steps
run under autocast with float32 weights, as the authors train.
"""
import argparse
import importlib.util
import json
import os
import sys
import time

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "py"))
# diffusers 0.11.1 knows neither today's transformers nor the others: it works without them.
find_spec = importlib.util.find_spec
absent = ("transformers", "accelerate", "flax", "jax", "onnxruntime", "k_diffusion", "librosa", "scipy", "xformers")
importlib.util.find_spec = lambda name, *a: None if name.split(".")[0] in absent else find_spec(name, *a)
import huggingface_hub

if not hasattr(huggingface_hub, "cached_download"):
    huggingface_hub.cached_download = lambda *a, **k: None
import torch
import torch.nn.functional as F
from tuneavideo.models.unet import UNet3DConditionModel

importlib.util.find_spec = find_spec

SD14 = dict(
    sample_size=64, in_channels=4, out_channels=4, center_input_sample=False, flip_sin_to_cos=True, freq_shift=0,
    down_block_types=("CrossAttnDownBlock3D",) * 3 + ("DownBlock3D",), mid_block_type="UNetMidBlock3DCrossAttn",
    up_block_types=("UpBlock3D",) + ("CrossAttnUpBlock3D",) * 3, block_out_channels=(320, 640, 1280, 1280),
    layers_per_block=2, downsample_padding=1, mid_block_scale_factor=1, act_fn="silu", norm_num_groups=32,
    norm_eps=1e-5, cross_attention_dim=768, attention_head_dim=8,
)


def use_fused_attention():
    from diffusers.models.attention import CrossAttention

    def fused(self, query, key, value, attention_mask=None):
        out = F.scaled_dot_product_attention(query[None], key[None], value[None], scale=self.scale)[0]
        return self.reshape_batch_dim_to_heads(out)

    CrossAttention._attention = fused


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--work", default="forward:8x32,step:4x32,forward:24x64,low:8x64")
    p.add_argument("--dtype", default="float16")
    p.add_argument("--device", default="cuda")
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--plain", action="store_true")
    p.add_argument("--small", action="store_true", help="a small network, to try the script")
    a = p.parse_args()
    if not a.plain:
        use_fused_attention()
    config = dict(SD14, **(dict(block_out_channels=(32, 64, 64, 64)) if a.small else {}))
    dtype = getattr(torch, a.dtype)
    for work in a.work.split(","):
        kind, size = work.split(":")
        frames, cells = map(int, size.split("x"))
        torch.manual_seed(0)
        forward_only = kind == "forward"
        unet = UNet3DConditionModel(**config).to(a.device, dtype if forward_only else torch.float32)
        unet.requires_grad_(False)
        named = unet.named_modules()
        trained = [q for n, m in named if n.endswith(("attn1.to_q", "attn2.to_q", "attn_temp")) for q in m.parameters()]
        if kind == "low":
            import functools

            import torch.utils.checkpoint as c

            c.checkpoint = functools.partial(c.checkpoint, use_reentrant=False)
            unet.enable_gradient_checkpointing()
            unet.train()
        kept = dtype if forward_only else torch.float32
        sample = torch.randn(1, 4, frames, cells, cells, device=a.device, dtype=kept)
        text = torch.randn(1, 77, config["cross_attention_dim"], device=a.device, dtype=kept)
        noise = torch.randn_like(sample)
        when = torch.tensor([481], device=a.device)

        def forward():
            with torch.no_grad():
                unet(sample, when, text)

        def step():
            for q in trained:
                q.requires_grad_(True)
                q.grad = None
            with torch.autocast(a.device, dtype=dtype, enabled=dtype != torch.float32):
                predicted = unet(sample, when, text).sample
            F.mse_loss(predicted.float(), noise).backward()

        call = forward if forward_only else step
        try:
            call()
            times = []
            if a.device == "cuda":
                torch.cuda.reset_peak_memory_stats()
            for _ in range(a.runs):
                if a.device == "cuda":
                    torch.cuda.synchronize()
                t = time.perf_counter()
                call()
                if a.device == "cuda":
                    torch.cuda.synchronize()
                times.append(time.perf_counter() - t)
            peak = torch.cuda.max_memory_allocated() / 2**20 if a.device == "cuda" else None
            result = dict(seconds=min(times), all=times, gpuMegabytes=peak)
        except Exception as error:
            result = dict(error=str(error)[:400])
        engine = "pytorch " + torch.__version__ + " " + a.dtype + (" plain" if a.plain else " sdpa")
        print(json.dumps(dict(engine=engine, work=work, **result)), flush=True)
        del unet, trained
        if a.device == "cuda":
            torch.cuda.empty_cache()


main()
