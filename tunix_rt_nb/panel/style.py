"""The looks of the panel: the palette of `report.theme`, and a layout for wide and narrow screens.

Widgets take their colours from JupyterLab's and Voila's variables, which follow their theme.
"""

from tunix_rt_nb.report import theme

_OURS = """
.trnb-panel { max-width: 1120px; margin: 0 auto; font-size: 14px; overflow: visible; }
.trnb-panel .widget-box { overflow: visible; min-width: 0; }
.trnb-panel .widget-html, .trnb-panel .widget-html-content { height: auto; width: auto; margin: 0;
  min-width: 0; max-width: 100%; line-height: 1.55; font-size: 14px; overflow: visible; }
.trnb-panel .widget-html { flex: none; align-self: stretch; }
.trnb-panel .widget-html-content { flex: 1 1 auto; }
.trnb-pages > .widget-html { align-self: center; }
.trnb-panel .jupyter-widgets { margin-left: 0; margin-right: 0; }
.trnb-panel.jupyter-widgets { margin: 0 auto; }
.trnb-panel p { margin: 0 0 8px; overflow-wrap: anywhere; }
.trnb-panel h2 { font-size: 17px; font-weight: 600; margin: 24px 0 8px; }
.trnb-two > :last-child > :first-child h2 { margin-top: 0; }
.trnb-panel h3, .trnb-panel h4 { font-size: 14px; font-weight: 600; margin: 12px 0 6px; }
.trnb-panel code, .trnb-panel pre { font-size: 13px; color: inherit; background: none;
  overflow-wrap: anywhere; }
.trnb-panel a { color: inherit; text-decoration: underline; }
.trnb-panel .trnb-muted, .trnb-lead, .trnb-empty { color: var(--trnb-muted); }
.trnb-panel .trnb-bad { color: var(--trnb-bad); }
.trnb-panel .trnb-lead { margin: 0 0 12px; font-size: 15px; }
.trnb-panel .trnb-empty { padding: 32px 16px; text-align: center; border-radius: 8px;
  border: 1px dashed var(--trnb-line); }

/* The tabs stay on one line, which scrolls on a narrow screen. */
.trnb-panel .jupyter-widget-tab { overflow: visible; }
.trnb-panel .jupyter-widget-tab > .lm-TabBar { overflow-x: auto; overflow-y: hidden;
  min-height: 44px;  border-bottom: 1px solid var(--trnb-line); scrollbar-width: none; }
.trnb-panel .jupyter-widget-tab > .lm-TabBar .lm-TabBar-content { border: 0; align-items: stretch; }
.trnb-panel .jupyter-widget-tab > .lm-TabBar .lm-TabBar-tab { flex: 0 0 auto; min-width: 0;
  max-width: none; border: 0; margin: 0 28px 0 0; padding: 0; line-height: 42px; min-height: 42px;
  background: none; font-size: 15px; color: var(--trnb-muted); transform: none; }
.trnb-panel .jupyter-widget-tab > .lm-TabBar .lm-TabBar-tab.lm-mod-current { color: inherit;
  background: none; transform: none; font-weight: 600;
  box-shadow: inset 0 -3px 0 var(--trnb-series-1); }
.trnb-panel .jupyter-widget-tab > .lm-TabBar .lm-TabBar-tab.lm-mod-current::before {
  display: none; }
.trnb-panel .jupyter-widget-tab > .widget-tab-contents { border: 0; padding: 20px 0 48px;
  margin: 0; background: none; overflow: visible; }

@media (max-width: 600px) {
  .trnb-panel .jupyter-widget-tab > .lm-TabBar .lm-TabBar-tab { font-size: 14px;
    margin-right: 15px; }
  .trnb-panel .trnb-scroll th, .trnb-panel .trnb-scroll td { padding-right: 14px; }
}
.trnb-pages { align-items: center; margin-top: 6px; }
.trnb-pages p { margin: 0; }

/* A field has its name above it; fields beside each other wrap. */
.trnb-fields { flex-wrap: wrap; gap: 4px 16px; align-items: flex-end; }
.trnb-panel .trnb-field.jupyter-widgets { flex: 1 1 150px; flex-direction: column; height: auto;
  align-items: stretch; width: auto; min-width: 0; max-width: 260px; margin: 0 0 8px; }
.trnb-panel .trnb-field.trnb-wide { flex: 1 1 300px; max-width: 620px; }
.trnb-panel .trnb-field > .widget-label { width: auto; height: auto; text-align: left; margin: 0;
  line-height: 22px; font-size: 13px; color: var(--trnb-muted); }
.trnb-panel .trnb-field > input, .trnb-panel .trnb-field > select { height: 36px; flex: none;
  width: 100%; font-size: 14px; border-radius: 6px; border-color: var(--trnb-line);
  padding: 0 10px; }
.trnb-panel .trnb-field > textarea { font-size: 13px; border-radius: 6px; padding: 8px 10px;
  border-color: var(--trnb-line); font-family: var(--jp-code-font-family, monospace); width: 100%; }
.trnb-panel .trnb-button.jupyter-button { height: 36px; line-height: 34px; width: auto;
  padding: 0 18px; border-radius: 6px; font-size: 14px; margin: 4px 0 8px;
  border: 1px solid var(--trnb-line);
  background: none; color: inherit; box-shadow: none; }
.trnb-panel .trnb-button.jupyter-button:hover:enabled { background: var(--trnb-read); }
.trnb-panel .trnb-button.jupyter-button.mod-primary { background: #0b62c4; border-color: #0b62c4;
  color: #ffffff; }
.trnb-panel .trnb-button.jupyter-button.mod-primary:hover:enabled { background: #0a55ab; }
.trnb-panel .trnb-button.jupyter-button:disabled { opacity: .5; }
.trnb-panel :is(button, input, select, textarea, summary, a, .trnb-scroll):focus-visible {
  outline: 2px solid var(--trnb-series-1); outline-offset: 1px; }

.trnb-panel .trnb-field > select { appearance: auto; background-image: none; padding-right: 26px;
  text-overflow: ellipsis; }
@media (max-width: 600px) { .trnb-panel .trnb-field.jupyter-widgets { max-width: none; } }
body[data-jp-theme-light="false"] .trnb-panel { color-scheme: dark; }

/* Tables scroll in their own box, so the page never does. */
.trnb-scroll { overflow-x: auto; max-width: 100%; margin: 0 0 12px; }
.trnb-scroll table { border-collapse: collapse; font-size: 14px; min-width: 50%; margin: 0; }
.trnb-scroll th, .trnb-scroll td { padding: 7px 28px 7px 0; text-align: left; white-space: nowrap;
  border: 0; border-bottom: 1px solid var(--trnb-line); background: none; font-weight: 400;
  vertical-align: top; max-width: none; }
.trnb-scroll thead th { color: var(--trnb-muted); font-size: 13px; }
.trnb-scroll .trnb-number { text-align: right; font-variant-numeric: tabular-nums; }
.trnb-scroll td.trnb-bars { width: 60%; min-width: 64px; padding-right: 0; }
.trnb-bar { display: block; height: 10px; margin-top: 6px; border-radius: 3px; min-width: 1px;
  background: var(--trnb-series-1); }
.trnb-scroll pre { margin: 0; padding: 12px 14px; background: var(--trnb-read); border-radius: 8px;
  white-space: pre; line-height: 1.5; width: max-content; min-width: 100%; box-sizing: border-box;
  font-family: var(--jp-code-font-family, monospace), monospace; }

/* Two beside each other where there is room. */
.trnb-panel .trnb-two, .trnb-panel .trnb-list-and-one { display: grid; gap: 8px 32px;
  grid-template-columns: repeat(auto-fit, minmax(min(340px, 100%), 1fr)); align-items: start; }
.trnb-card { padding: 12px 18px 10px; border: 1px solid var(--trnb-line); border-radius: 8px;
  overflow-wrap: anywhere; min-width: 0; }
details.trnb-card { padding-top: 4px; }
.trnb-card :is(h3, h4):first-child { margin-top: 0; }
.trnb-card hr { display: none; }
.trnb-card summary { cursor: pointer; line-height: 2.2; }
.trnb-card table { border-collapse: collapse; }
.trnb-card th, .trnb-card td { padding: 3px 14px 3px 0; border-bottom: 1px solid var(--trnb-line); }
.trnb-list > .jupyter-button.trnb-button { width: 100%; text-align: left; border-color: transparent;
  padding: 0 10px; margin: 0; overflow: hidden; text-overflow: ellipsis; }
.trnb-list > .jupyter-button.trnb-chosen { background: var(--trnb-read); font-weight: 600; }
.trnb-report { width: 100%; height: 640px; box-sizing: border-box;
  border: 1px solid var(--trnb-line); border-radius: 8px; }

.trnb-steps { display: flex; flex-wrap: wrap; gap: 8px; list-style: none; padding: 0;
  margin: 4px 0 12px; }
.trnb-steps li { padding: 3px 12px; border-radius: 999px; border: 1px solid var(--trnb-line);
  margin: 0; color: var(--trnb-muted); }
.trnb-steps li.trnb-done { color: var(--trnb-good); border-color: currentColor; }
.trnb-steps li.trnb-running { color: inherit; border-color: var(--trnb-series-1);
  font-weight: 600; }
.trnb-steps li.trnb-ended { color: var(--trnb-bad); border-color: currentColor; }
"""

CSS = theme.CSS + _OURS
