"""``borderscout mx``: which commands are there about MX records?

Touches nothing: each command has a file of its own.
"""

from __future__ import annotations

import typer

from cli import mx_apply, mx_measurements, mx_plan, mx_render, mx_simulate, mx_steps, mx_verify

app = typer.Typer(
    no_args_is_help=True,
    help="Plan which site each domain's mail tries first, and render it for DNS.",
    rich_markup_mode=None,
)

app.command("plan", epilog=mx_plan.EXAMPLE)(mx_plan.plan)
app.command("render", epilog=mx_render.EXAMPLE)(mx_render.render)
app.command("measurements", epilog=mx_measurements.EXAMPLE)(mx_measurements.measurements)
app.command("simulate", epilog=mx_simulate.EXAMPLE)(mx_simulate.simulate)
app.command("apply", epilog=mx_apply.EXAMPLE)(mx_apply.apply)
app.command("verify", epilog=mx_verify.EXAMPLE)(mx_verify.verify)
app.command("steps", epilog=mx_steps.EXAMPLE)(mx_steps.steps)
