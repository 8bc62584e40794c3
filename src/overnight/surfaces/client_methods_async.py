"""Every operation as a coroutine.

Made from the table of operations by tools/generate_client.py: change that, then run it again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict, cast

from overnight.surfaces.client_wire import UNSET, Page, Unset

if TYPE_CHECKING:
    from overnight.service.answers.briefs import Brief
    from overnight.service.answers.changes import (
        Begun,
        Cancelled,
        Converted,
        Gated,
        Labelled,
        Planned,
        Prioritised,
        Retried,
        RunIds,
        Submitted,
        Updated,
    )
    from overnight.service.answers.documents import (
        Checkup,
        ComparisonView,
        TablesReport,
        Targets,
        TextReport,
        Verification,
    )
    from overnight.service.answers.looks import AlertList, CampaignList, EventList, LogPart, RunList, Status
    from overnight.service.answers.queues import ExplainedCampaign, ExplainedRun, ExplainedSweep, QueueView
    from overnight.service.answers.summaries import SummaryView
    from overnight.service.answers.things import ShownCampaign, ShownRun, ShownSweep
    from overnight.service.tokens import NewToken, Revoked, TokenList, Whoami
    from overnight.service.waiting import Waited
    from overnight.service.wild.alerts import AlertMade, AlertMessage, AlertView
    from overnight.service.wild.cluster import ClusterAnswer, Health
    from overnight.service.wild.edits import Archived
    from overnight.service.wild.edits import Message as EditsMessage
    from overnight.service.wild.logs import ArtifactView, LogView
    from overnight.service.wild.metrics import Appended, RunMetrics
    from overnight.service.wild.session_requests import (
        Evolution,
        LogText,
        LoopEvent,
        PlanText,
        Record,
        Resolved,
        Stopped,
        Told,
    )
    from overnight.service.wild.session_requests import Status as SessionRequestsStatus
    from overnight.service.wild.skill_requests import FileText, FileView, FoundSkill, Rendered, SkillView
    from overnight.service.wild.skill_requests import Message as SkillRequestsMessage
    from overnight.service.wild.stages import Message, Queued, Started
    from overnight.service.wild.sweep_views import SweepView
    from overnight.service.wild.sweeps import Canceled
    from overnight.service.wild.sweeps import Started as SweepsStarted
    from overnight.service.wild.views import RunView


class SingleRunRequestFields(TypedDict):
    """A run outside any campaign."""

    name: str
    command: str | Sequence[str]
    workdir: str
    env: NotRequired[Mapping[str, str]]
    gpus: NotRequired[int]
    slots: NotRequired[int]
    attempts: NotRequired[int]
    delay: NotRequired[float]
    time_limit: NotRequired[float | None]
    grace: NotRequired[float]
    priority: NotRequired[int]
    targets: NotRequired[Sequence[str]]
    labels: NotRequired[Mapping[str, str]]


class GpuWrapFields(TypedDict):
    """How often a run is tried again when its GPU was busy or full."""

    enabled: NotRequired[bool | None]
    retries: NotRequired[int | None]
    retry_delay_seconds: NotRequired[float | None]


class AsyncMethods:
    """What can be asked. Fields that are not given are not sent."""

    async def _call(self, operation: str, fields: Mapping[str, Any], key: str | None = None) -> Any:
        raise NotImplementedError

    async def plan(self, *, file: str, directory: str, path: str | Unset = UNSET) -> Planned:
        """Expand, check and preflight a campaign file."""
        return cast("Planned", await self._call("plan", {"file": file, "directory": directory, "path": path}))

    async def convert(self, *, file: str, directory: str, path: str | Unset = UNSET) -> Converted:
        """Write any campaign file as a native one."""
        return cast("Converted", await self._call("convert", {"file": file, "directory": directory, "path": path}))

    async def submit(
        self,
        *,
        file: str,
        directory: str,
        path: str | Unset = UNSET,
        chat_session_id: str | Unset | None = UNSET,
        key: str | None = None,
    ) -> Submitted:
        """Submit a campaign file."""
        return cast(
            "Submitted",
            await self._call(
                "submit", {"file": file, "directory": directory, "path": path, "chat_session_id": chat_session_id}, key
            ),
        )

    async def update(
        self,
        id: str,
        *,
        file: str,
        directory: str,
        path: str | Unset = UNSET,
        chat_session_id: str | Unset | None = UNSET,
        key: str | None = None,
    ) -> Updated:
        """Apply an edited file to a campaign."""
        return cast(
            "Updated",
            await self._call(
                "update",
                {"id": id, "file": file, "directory": directory, "path": path, "chat_session_id": chat_session_id},
                key,
            ),
        )

    async def submit_runs(
        self,
        *,
        runs: Sequence[SingleRunRequestFields],
        labels: Mapping[str, str] | Unset = UNSET,
        chat_session_id: str | Unset | None = UNSET,
        key: str | None = None,
    ) -> RunIds:
        """Submit runs outside any campaign."""
        return cast(
            "RunIds",
            await self._call("submit_runs", {"runs": runs, "labels": labels, "chat_session_id": chat_session_id}, key),
        )

    async def list_campaigns(
        self,
        *,
        limit: int | Unset = UNSET,
        cursor: str | Unset | None = UNSET,
        state: str | Unset | None = UNSET,
        chat: str | Unset | None = UNSET,
        label: str | Unset | None = UNSET,
    ) -> CampaignList:
        """Campaigns, newest first."""
        return cast(
            "CampaignList",
            await self._call(
                "list_campaigns", {"limit": limit, "cursor": cursor, "state": state, "chat": chat, "label": label}
            ),
        )

    async def list_runs(
        self,
        *,
        limit: int | Unset = UNSET,
        cursor: str | Unset | None = UNSET,
        campaign: str | Unset | None = UNSET,
        sweep: str | Unset | None = UNSET,
        alone: bool | Unset = UNSET,
        state: Sequence[str] | Unset = UNSET,
        chat: str | Unset | None = UNSET,
        label: str | Unset | None = UNSET,
        metric: str | Unset | None = UNSET,
        parent: str | Unset | None = UNSET,
        actor: str | Unset | None = UNSET,
        archived: bool | Unset = UNSET,
        sort: str | Unset | None = UNSET,
    ) -> RunList:
        """Runs, newest first."""
        return cast(
            "RunList",
            await self._call(
                "list_runs",
                {
                    "limit": limit,
                    "cursor": cursor,
                    "campaign": campaign,
                    "sweep": sweep,
                    "alone": alone,
                    "state": state,
                    "chat": chat,
                    "label": label,
                    "metric": metric,
                    "parent": parent,
                    "actor": actor,
                    "archived": archived,
                    "sort": sort,
                },
            ),
        )

    async def status(self) -> Status:
        """Devices, live runs, active campaigns."""
        return cast("Status", await self._call("status", {}))

    async def queue(self, id: str) -> QueueView:
        """A campaign as the experiment queue shows it."""
        return cast("QueueView", await self._call("queue", {"id": id}))

    async def show(self, id: str) -> ShownCampaign | ShownSweep | ShownRun:
        """A campaign, sweep or run, whole."""
        return cast("ShownCampaign | ShownSweep | ShownRun", await self._call("show", {"id": id}))

    async def log(
        self, id: str, *, attempt: int | Unset | None = UNSET, offset: int | Unset = UNSET, limit: int | Unset = UNSET
    ) -> LogPart:
        """Part of a run's log."""
        return cast(
            "LogPart", await self._call("log", {"id": id, "attempt": attempt, "offset": offset, "limit": limit})
        )

    async def events(
        self,
        *,
        after: int | Unset | None = UNSET,
        limit: int | Unset = UNSET,
        wait: float | Unset = UNSET,
        subject: str | Unset | None = UNSET,
    ) -> EventList:
        """Events after a cursor, with a bounded wait."""
        return cast(
            "EventList", await self._call("events", {"after": after, "limit": limit, "wait": wait, "subject": subject})
        )

    async def alerts(
        self, *, limit: int | Unset = UNSET, before: int | Unset | None = UNSET, campaign: str | Unset | None = UNSET
    ) -> AlertList:
        """What people were told, or are still to be told."""
        return cast("AlertList", await self._call("alerts", {"limit": limit, "before": before, "campaign": campaign}))

    async def brief(self, *, id: str | Unset | None = UNSET, text: bool | Unset = UNSET) -> Brief:
        """State, history and next steps of one thing, or of everything open."""
        return cast("Brief", await self._call("brief", {"id": id, "text": text}))

    async def wait(
        self,
        id: str,
        *,
        until: Sequence[str] | Unset = UNSET,
        after: int | Unset | None = UNSET,
        wait: float | Unset = UNSET,
        subscriber: str | Unset | None = UNSET,
    ) -> Waited:
        """Wait until something came of it, a bounded time."""
        return cast(
            "Waited",
            await self._call(
                "wait", {"id": id, "until": until, "after": after, "wait": wait, "subscriber": subscriber}
            ),
        )

    async def explain(self, id: str) -> ExplainedRun | ExplainedCampaign | ExplainedSweep:
        """Why it waits or failed."""
        return cast("ExplainedRun | ExplainedCampaign | ExplainedSweep", await self._call("explain", {"id": id}))

    async def summary(self, id: str) -> SummaryView:
        """What a campaign found."""
        return cast("SummaryView", await self._call("summary", {"id": id}))

    async def report(
        self, id: str, *, format: Literal["markdown", "html", "svg", "tables"] | Unset = UNSET
    ) -> TablesReport | TextReport:
        """The summary as a document."""
        return cast("TablesReport | TextReport", await self._call("report", {"id": id, "format": format}))

    async def compare(self, *, first: str, second: str) -> ComparisonView:
        """Two runs side by side."""
        return cast("ComparisonView", await self._call("compare", {"first": first, "second": second}))

    async def cancel(self, id: str, *, key: str | None = None) -> Cancelled:
        """Cancel a campaign, sweep or run."""
        return cast("Cancelled", await self._call("cancel", {"id": id}, key))

    async def retry(
        self,
        id: str,
        *,
        ids: Sequence[str] | Unset = UNSET,
        names: Sequence[str] | Unset = UNSET,
        failed: bool | Unset = UNSET,
        blocked: bool | Unset = UNSET,
        again: bool | Unset = UNSET,
        key: str | None = None,
    ) -> Retried:
        """Try failed, blocked or chosen runs again."""
        return cast(
            "Retried",
            await self._call(
                "retry",
                {"id": id, "ids": ids, "names": names, "failed": failed, "blocked": blocked, "again": again},
                key,
            ),
        )

    async def pause(self, id: str, *, key: str | None = None) -> Gated:
        """Start nothing new of a campaign or sweep."""
        return cast("Gated", await self._call("pause", {"id": id}, key))

    async def resume(self, id: str, *, key: str | None = None) -> Gated:
        """Allow starts again."""
        return cast("Gated", await self._call("resume", {"id": id}, key))

    async def priority(self, id: str, *, priority: int, key: str | None = None) -> Prioritised:
        """Let something go before the rest."""
        return cast("Prioritised", await self._call("priority", {"id": id, "priority": priority}, key))

    async def list_targets(self) -> Targets:
        """Machines that runs may go to, and how they are reached."""
        return cast("Targets", await self._call("list_targets", {}))

    async def doctor(self, *, target: str | Unset = UNSET, python: str | Unset | None = UNSET) -> Checkup:
        """Preflight of a target."""
        return cast("Checkup", await self._call("doctor", {"target": target, "python": python}))

    async def verify_log(self) -> Verification:
        """Check log, tables, invariants."""
        return cast("Verification", await self._call("verify_log", {}))

    async def create_token(
        self,
        *,
        name: str,
        role: Literal["viewer", "agent", "operator", "approver", "worker"],
        campaigns: Sequence[str] | Unset | None = UNSET,
        verbs: Sequence[Literal["read", "report", "submit", "steer", "operate", "tokens", "approve"]]
        | Unset
        | None = UNSET,
        budget: int | Unset | None = UNSET,
        expires_in: float | str | Unset | None = UNSET,
        key: str | None = None,
    ) -> NewToken:
        """Make an access token; its secret is shown once."""
        return cast(
            "NewToken",
            await self._call(
                "create_token",
                {
                    "name": name,
                    "role": role,
                    "campaigns": campaigns,
                    "verbs": verbs,
                    "budget": budget,
                    "expires_in": expires_in,
                },
                key,
            ),
        )

    async def start(self, id: str, *, key: str | None = None) -> Begun:
        """Queue ready runs."""
        return cast("Begun", await self._call("start", {"id": id}, key))

    async def list_tokens(self) -> TokenList:
        """Access tokens, without their secrets."""
        return cast("TokenList", await self._call("list_tokens", {}))

    async def revoke_token(self, id: str, *, key: str | None = None) -> Revoked:
        """Let a token count no more."""
        return cast("Revoked", await self._call("revoke_token", {"id": id}, key))

    async def whoami(self) -> Whoami:
        """Who asks, and what they may do."""
        return cast("Whoami", await self._call("whoami", {}))

    async def label(
        self,
        id: str,
        *,
        set: Mapping[str, str] | Unset = UNSET,
        remove: Sequence[str] | Unset = UNSET,
        key: str | None = None,
    ) -> Labelled:
        """Put words on a campaign, sweep or run, or take them off."""
        return cast("Labelled", await self._call("label", {"id": id, "set": set, "remove": remove}, key))

    async def create_run(
        self,
        *,
        name: str,
        command: str,
        workdir: str | Unset | None = UNSET,
        sweep_id: str | Unset | None = UNSET,
        parent_run_id: str | Unset | None = UNSET,
        origin_alert_id: str | Unset | None = UNSET,
        chat_session_id: str | Unset | None = UNSET,
        auto_start: bool | Unset = UNSET,
        gpuwrap_config: GpuWrapFields | Unset | None = UNSET,
        key: str | None = None,
    ) -> RunView:
        """Create a run: one configuration that should be tried."""
        return cast(
            "RunView",
            await self._call(
                "create_run",
                {
                    "name": name,
                    "command": command,
                    "workdir": workdir,
                    "sweep_id": sweep_id,
                    "parent_run_id": parent_run_id,
                    "origin_alert_id": origin_alert_id,
                    "chat_session_id": chat_session_id,
                    "auto_start": auto_start,
                    "gpuwrap_config": gpuwrap_config,
                },
                key,
            ),
        )

    async def get_runs(
        self,
        *,
        archived: bool | Unset = UNSET,
        limit: int | Unset = UNSET,
        status: Literal["ready", "queued", "launching", "running", "finished", "failed", "stopped"]
        | Unset
        | None = UNSET,
        sweep_id: str | Unset | None = UNSET,
        chat_session_id: str | Unset | None = UNSET,
        cursor: str | Unset | None = UNSET,
    ) -> Page[RunView]:
        """Runs, newest first."""
        return cast(
            "Page[RunView]",
            await self._call(
                "get_runs",
                {
                    "archived": archived,
                    "limit": limit,
                    "status": status,
                    "sweep_id": sweep_id,
                    "chat_session_id": chat_session_id,
                    "cursor": cursor,
                },
            ),
        )

    async def get_run(self, id: str) -> RunView:
        """One run, whole."""
        return cast("RunView", await self._call("get_run", {"id": id}))

    async def edit_run(
        self,
        id: str,
        *,
        name: str | Unset | None = UNSET,
        command: str | Unset | None = UNSET,
        workdir: str | Unset | None = UNSET,
        key: str | None = None,
    ) -> RunView:
        """Change a run that has not ended."""
        return cast(
            "RunView",
            await self._call("edit_run", {"id": id, "name": name, "command": command, "workdir": workdir}, key),
        )

    async def queue_run(self, id: str, *, key: str | None = None) -> Queued:
        """Queue a ready run."""
        return cast("Queued", await self._call("queue_run", {"id": id}, key))

    async def start_run(self, id: str, *, key: str | None = None) -> Started:
        """Start a run as soon as capacity allows."""
        return cast("Started", await self._call("start_run", {"id": id}, key))

    async def stop_run(self, id: str, *, key: str | None = None) -> Message:
        """Stop a run; answered when its processes are gone."""
        return cast("Message", await self._call("stop_run", {"id": id}, key))

    async def rerun_run(
        self,
        id: str,
        *,
        command: str | Unset | None = UNSET,
        auto_start: bool | Unset = UNSET,
        origin_alert_id: str | Unset | None = UNSET,
        gpuwrap_config: GpuWrapFields | Unset | None = UNSET,
        key: str | None = None,
    ) -> RunView:
        """Make a new run of the same configuration."""
        return cast(
            "RunView",
            await self._call(
                "rerun_run",
                {
                    "id": id,
                    "command": command,
                    "auto_start": auto_start,
                    "origin_alert_id": origin_alert_id,
                    "gpuwrap_config": gpuwrap_config,
                },
                key,
            ),
        )

    async def archive_run(self, id: str, *, key: str | None = None) -> Archived:
        """Leave a run out of listings."""
        return cast("Archived", await self._call("archive_run", {"id": id}, key))

    async def unarchive_run(self, id: str, *, key: str | None = None) -> Archived:
        """Show a run in listings again."""
        return cast("Archived", await self._call("unarchive_run", {"id": id}, key))

    async def add_run_to_sweep(self, id: str, *, sweep_id: str, key: str | None = None) -> EditsMessage:
        """Move a run into a sweep."""
        return cast("EditsMessage", await self._call("add_run_to_sweep", {"id": id, "sweep_id": sweep_id}, key))

    async def report_status(
        self,
        id: str,
        *,
        status: Literal["ready", "queued", "launching", "running", "finished", "failed", "stopped"],
        exit_code: int | Unset | None = UNSET,
        error: str | Unset | None = UNSET,
        tmux_pane: str | Unset | None = UNSET,
        wandb_dir: str | Unset | None = UNSET,
        key: str | None = None,
    ) -> Message:
        """Say how a run stands that somebody else carries out."""
        return cast(
            "Message",
            await self._call(
                "report_status",
                {
                    "id": id,
                    "status": status,
                    "exit_code": exit_code,
                    "error": error,
                    "tmux_pane": tmux_pane,
                    "wandb_dir": wandb_dir,
                },
                key,
            ),
        )

    async def run_logs(self, id: str, *, offset: int | Unset = UNSET, limit: int | Unset = UNSET) -> LogView:
        """Part of a run's log."""
        return cast("LogView", await self._call("run_logs", {"id": id, "offset": offset, "limit": limit}))

    async def run_sidecar_logs(self, id: str, *, offset: int | Unset = UNSET, limit: int | Unset = UNSET) -> LogView:
        """What was done with a run, as a log."""
        return cast("LogView", await self._call("run_sidecar_logs", {"id": id, "offset": offset, "limit": limit}))

    async def run_artifacts(self, id: str) -> Page[ArtifactView]:
        """Files that a run left."""
        return cast("Page[ArtifactView]", await self._call("run_artifacts", {"id": id}))

    async def append_metrics(self, id: str, *, rows: Sequence[Mapping[str, Any]], key: str | None = None) -> Appended:
        """Append rows of metrics."""
        return cast("Appended", await self._call("append_metrics", {"id": id, "rows": rows}, key))

    async def run_metrics(self, id: str) -> RunMetrics:
        """A run's metrics as series."""
        return cast("RunMetrics", await self._call("run_metrics", {"id": id}))

    async def create_alert(
        self, id: str, *, message: str, choices: Sequence[str], severity: str | Unset = UNSET, key: str | None = None
    ) -> AlertMade:
        """Ask a person something about a run."""
        return cast(
            "AlertMade",
            await self._call(
                "create_alert", {"id": id, "message": message, "choices": choices, "severity": severity}, key
            ),
        )

    async def get_alerts(self, *, limit: int | Unset = UNSET) -> Page[AlertView]:
        """What was asked, newest first."""
        return cast("Page[AlertView]", await self._call("get_alerts", {"limit": limit}))

    async def respond_to_alert(self, id: str, *, choice: str, key: str | None = None) -> AlertMessage:
        """Answer what was asked."""
        return cast("AlertMessage", await self._call("respond_to_alert", {"id": id, "choice": choice}, key))

    async def create_wild_sweep(
        self,
        *,
        name: str | Unset = UNSET,
        goal: str | Unset = UNSET,
        chat_session_id: str | Unset | None = UNSET,
        key: str | None = None,
    ) -> SweepView:
        """Create an open sweep, to which runs are added."""
        return cast(
            "SweepView",
            await self._call(
                "create_wild_sweep", {"name": name, "goal": goal, "chat_session_id": chat_session_id}, key
            ),
        )

    async def create_sweep(
        self,
        *,
        name: str,
        base_command: str,
        parameters: Mapping[str, Any],
        workdir: str | Unset | None = UNSET,
        max_runs: int | Unset = UNSET,
        auto_start: bool | Unset = UNSET,
        goal: str | Unset | None = UNSET,
        status: str | Unset | None = UNSET,
        ui_config: Mapping[str, Any] | Unset | None = UNSET,
        chat_session_id: str | Unset | None = UNSET,
        key: str | None = None,
    ) -> SweepView:
        """Create a sweep over a grid of parameters."""
        return cast(
            "SweepView",
            await self._call(
                "create_sweep",
                {
                    "name": name,
                    "base_command": base_command,
                    "parameters": parameters,
                    "workdir": workdir,
                    "max_runs": max_runs,
                    "auto_start": auto_start,
                    "goal": goal,
                    "status": status,
                    "ui_config": ui_config,
                    "chat_session_id": chat_session_id,
                },
                key,
            ),
        )

    async def create_sweep_run(
        self,
        id: str,
        *,
        name: str,
        command: str,
        workdir: str | Unset | None = UNSET,
        sweep_id: str | Unset | None = UNSET,
        parent_run_id: str | Unset | None = UNSET,
        origin_alert_id: str | Unset | None = UNSET,
        chat_session_id: str | Unset | None = UNSET,
        auto_start: bool | Unset = UNSET,
        gpuwrap_config: GpuWrapFields | Unset | None = UNSET,
        key: str | None = None,
    ) -> RunView:
        """Create a run in a sweep."""
        return cast(
            "RunView",
            await self._call(
                "create_sweep_run",
                {
                    "id": id,
                    "name": name,
                    "command": command,
                    "workdir": workdir,
                    "sweep_id": sweep_id,
                    "parent_run_id": parent_run_id,
                    "origin_alert_id": origin_alert_id,
                    "chat_session_id": chat_session_id,
                    "auto_start": auto_start,
                    "gpuwrap_config": gpuwrap_config,
                },
                key,
            ),
        )

    async def get_sweeps(
        self,
        *,
        limit: int | Unset = UNSET,
        chat_session_id: str | Unset | None = UNSET,
        cursor: str | Unset | None = UNSET,
    ) -> Page[SweepView]:
        """Sweeps, newest first."""
        return cast(
            "Page[SweepView]",
            await self._call("get_sweeps", {"limit": limit, "chat_session_id": chat_session_id, "cursor": cursor}),
        )

    async def get_sweep(self, id: str) -> SweepView:
        """One sweep, with its progress."""
        return cast("SweepView", await self._call("get_sweep", {"id": id}))

    async def edit_sweep(
        self,
        id: str,
        *,
        name: str | Unset | None = UNSET,
        base_command: str | Unset | None = UNSET,
        workdir: str | Unset | None = UNSET,
        parameters: Mapping[str, Any] | Unset | None = UNSET,
        max_runs: int | Unset | None = UNSET,
        goal: str | Unset | None = UNSET,
        status: str | Unset | None = UNSET,
        ui_config: Mapping[str, Any] | Unset | None = UNSET,
        key: str | None = None,
    ) -> SweepView:
        """Change a sweep."""
        return cast(
            "SweepView",
            await self._call(
                "edit_sweep",
                {
                    "id": id,
                    "name": name,
                    "base_command": base_command,
                    "workdir": workdir,
                    "parameters": parameters,
                    "max_runs": max_runs,
                    "goal": goal,
                    "status": status,
                    "ui_config": ui_config,
                },
                key,
            ),
        )

    async def start_sweep(self, id: str, *, parallel: int | Unset = UNSET, key: str | None = None) -> SweepsStarted:
        """Hand runs of a sweep to the scheduler."""
        return cast("SweepsStarted", await self._call("start_sweep", {"id": id, "parallel": parallel}, key))

    async def cancel_sweep(self, id: str, *, key: str | None = None) -> Canceled:
        """Stop everything of a sweep."""
        return cast("Canceled", await self._call("cancel_sweep", {"id": id}, key))

    async def get_cluster(self) -> ClusterAnswer:
        """What the machines are taken for, and how much may run."""
        return cast("ClusterAnswer", await self._call("get_cluster", {}))

    async def detect_cluster(
        self, *, preferred_type: str | Unset | None = UNSET, key: str | None = None
    ) -> ClusterAnswer:
        """Look what the machines are."""
        return cast("ClusterAnswer", await self._call("detect_cluster", {"preferred_type": preferred_type}, key))

    async def set_cluster(
        self,
        *,
        type: str | Unset | None = UNSET,
        status: str | Unset | None = UNSET,
        source: str | Unset | None = UNSET,
        head_node: str | Unset | None = UNSET,
        node_count: int | Unset | None = UNSET,
        gpu_count: int | Unset | None = UNSET,
        notes: str | Unset | None = UNSET,
        details: Mapping[str, Any] | Unset | None = UNSET,
        key: str | None = None,
    ) -> ClusterAnswer:
        """Say what the machines are."""
        return cast(
            "ClusterAnswer",
            await self._call(
                "set_cluster",
                {
                    "type": type,
                    "status": status,
                    "source": source,
                    "head_node": head_node,
                    "node_count": node_count,
                    "gpu_count": gpu_count,
                    "notes": notes,
                    "details": details,
                },
                key,
            ),
        )

    async def system_health(self) -> Health:
        """Runs by state, and how many more to start."""
        return cast("Health", await self._call("system_health", {}))

    async def start_session(
        self,
        *,
        goal: str,
        chat_session_id: str | Unset | None = UNSET,
        max_iterations: int | Unset = UNSET,
        wait_seconds: float | Unset = UNSET,
        evo_sweep_enabled: bool | Unset = UNSET,
        key: str | None = None,
    ) -> Record:
        """Begin the record of an agent's loop."""
        return cast(
            "Record",
            await self._call(
                "start_session",
                {
                    "goal": goal,
                    "chat_session_id": chat_session_id,
                    "max_iterations": max_iterations,
                    "wait_seconds": wait_seconds,
                    "evo_sweep_enabled": evo_sweep_enabled,
                },
                key,
            ),
        )

    async def stop_session(self, *, chat_session_id: str | Unset | None = UNSET, key: str | None = None) -> Stopped:
        """End the record of a loop."""
        return cast("Stopped", await self._call("stop_session", {"chat_session_id": chat_session_id}, key))

    async def pause_session(self, *, chat_session_id: str | Unset | None = UNSET, key: str | None = None) -> Record:
        """Hold back the queued runs of a conversation."""
        return cast("Record", await self._call("pause_session", {"chat_session_id": chat_session_id}, key))

    async def resume_session(self, *, chat_session_id: str | Unset | None = UNSET, key: str | None = None) -> Record:
        """Let them start again."""
        return cast("Record", await self._call("resume_session", {"chat_session_id": chat_session_id}, key))

    async def steer_session(
        self, *, context: str, chat_session_id: str | Unset | None = UNSET, key: str | None = None
    ) -> Told:
        """Leave a word for the agent."""
        return cast(
            "Told", await self._call("steer_session", {"context": context, "chat_session_id": chat_session_id}, key)
        )

    async def session_status(self, *, chat_session_id: str | Unset | None = UNSET) -> SessionRequestsStatus:
        """How the loop of a conversation stands."""
        return cast("SessionRequestsStatus", await self._call("session_status", {"chat_session_id": chat_session_id}))

    async def session_plan(self, id: str) -> PlanText:
        """The plan of a loop."""
        return cast("PlanText", await self._call("session_plan", {"id": id}))

    async def put_session_plan(self, id: str, *, plan: str, key: str | None = None) -> PlanText:
        """Write the plan of a loop."""
        return cast("PlanText", await self._call("put_session_plan", {"id": id, "plan": plan}, key))

    async def session_log(self, id: str) -> LogText:
        """The log of a loop."""
        return cast("LogText", await self._call("session_log", {"id": id}))

    async def append_session_log(
        self,
        id: str,
        *,
        entry: str | Unset = UNSET,
        iteration: int | Unset | None = UNSET,
        steer_context: str | Unset = UNSET,
        status: Literal["done", "failed"] | Unset | None = UNSET,
        key: str | None = None,
    ) -> Record:
        """Append an iteration to the log of a loop."""
        return cast(
            "Record",
            await self._call(
                "append_session_log",
                {"id": id, "entry": entry, "iteration": iteration, "steer_context": steer_context, "status": status},
                key,
            ),
        )

    async def session_events(self, id: str) -> Page[LoopEvent]:
        """What a loop has to look at."""
        return cast("Page[LoopEvent]", await self._call("session_events", {"id": id}))

    async def resolve_session_events(
        self, id: str, *, event_ids: Sequence[str], choice: str | Unset | None = UNSET, key: str | None = None
    ) -> Resolved:
        """Say what was looked at."""
        return cast(
            "Resolved",
            await self._call("resolve_session_events", {"id": id, "event_ids": event_ids, "choice": choice}, key),
        )

    async def evo_sweep(self, id: str) -> Evolution:
        """Whether an evolutionary sweep is under way: never."""
        return cast("Evolution", await self._call("evo_sweep", {"id": id}))

    async def list_skills(self) -> Page[SkillView]:
        """Texts that teach agents."""
        return cast("Page[SkillView]", await self._call("list_skills", {}))

    async def search_skills(self, *, q: str | Unset = UNSET, limit: int | Unset = UNSET) -> Page[FoundSkill]:
        """Texts that fit some words."""
        return cast("Page[FoundSkill]", await self._call("search_skills", {"q": q, "limit": limit}))

    async def get_skill(self, id: str) -> SkillView:
        """One text."""
        return cast("SkillView", await self._call("get_skill", {"id": id}))

    async def create_skill(
        self,
        *,
        name: str,
        description: str | Unset = UNSET,
        template: str | Unset = UNSET,
        category: str | Unset = UNSET,
        key: str | None = None,
    ) -> SkillView:
        """Keep a new text."""
        return cast(
            "SkillView",
            await self._call(
                "create_skill",
                {"name": name, "description": description, "template": template, "category": category},
                key,
            ),
        )

    async def edit_skill(
        self,
        id: str,
        *,
        template: str | Unset | None = UNSET,
        description: str | Unset | None = UNSET,
        category: str | Unset | None = UNSET,
        key: str | None = None,
    ) -> SkillView:
        """Change a text that was made here."""
        return cast(
            "SkillView",
            await self._call(
                "edit_skill", {"id": id, "template": template, "description": description, "category": category}, key
            ),
        )

    async def delete_skill(self, id: str, *, key: str | None = None) -> SkillRequestsMessage:
        """Take a text away that was made here."""
        return cast("SkillRequestsMessage", await self._call("delete_skill", {"id": id}, key))

    async def render_skill(self, id: str, **more: Any) -> Rendered:
        """A text with its variables filled in."""
        return cast("Rendered", await self._call("render_skill", {"id": id, **more}))

    async def list_skill_files(self, id: str) -> Page[FileView]:
        """The files of a text."""
        return cast("Page[FileView]", await self._call("list_skill_files", {"id": id}))

    async def get_skill_file(self, id: str, path: str) -> FileText:
        """One file of a text."""
        return cast("FileText", await self._call("get_skill_file", {"id": id, "path": path}))
