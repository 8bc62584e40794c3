"""Campaign files: text in, `CampaignPlan` out, every problem at once."""

from overnight.manifest.dialects import load
from overnight.manifest.file import load_path
from overnight.manifest.stored import dump, plan_from

__all__ = ["dump", "load", "load_path", "plan_from"]
