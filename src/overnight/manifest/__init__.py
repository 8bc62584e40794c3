"""Campaign files: reading with positions, expansion, templates, checks. Text in, a CampaignPlan or all errors out."""
