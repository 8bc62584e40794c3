"""The Wild V2 protocol: what its clients ask, in its own words, over the same record as everything else.

Each module holds the requests, answers and work of one part, listed in its `WORK`; `routes` says where they are asked.
A sweep of this protocol is a campaign; runs of different settings in it share hidden sweeps, one per shape.
"""
