/// How all pages look.
enum PageStyle {
  static let css: HTML = """

    :root {
      color-scheme: light dark;
      --paper: #fcfbf8; --card: #ffffff; --ink: #22252a; --soft: #6b6f76; --line: #e3e0d8;
      --bar: #41689d; --rest: #a9bbd3; --tint: #e8edf4;
    }
    @media (prefers-color-scheme: dark) {
      :root {
        --paper: #15171a; --card: #1c1f23; --ink: #e5e2db; --soft: #999ea6; --line: #30343a;
        --bar: #86aadd; --rest: #47597a; --tint: #232c3a;
      }
    }
    * { box-sizing: border-box; }
    html { -webkit-text-size-adjust: 100%; }
    body {
      margin: 0 auto; padding: 3rem clamp(1rem, 4vw, 3rem) 4rem; max-width: 76rem;
      background: var(--paper); color: var(--ink);
      font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", "Liberation Sans", sans-serif;
      font-variant-numeric: tabular-nums; overflow-wrap: anywhere;
    }
    h1, h2 { font-family: "Iowan Old Style", Charter, "Bitstream Charter", Georgia, "Noto Serif", "Liberation Serif", serif; font-weight: 600; line-height: 1.15; }
    h1 { font-size: 2.5rem; margin: 0; letter-spacing: -0.01em; }
    h2 { font-size: 1.5rem; margin: 0 0 1rem; }
    h3 { font-size: 0.9375rem; margin: 1.5rem 0 0.375rem; }
    section { margin-top: 3rem; padding-top: 1.5rem; border-top: 1px solid var(--line); }
    footer { margin-top: 3rem; padding-top: 1rem; border-top: 1px solid var(--line); }
    a { color: var(--bar); text-decoration: none; }
    a:hover { text-decoration: underline; }
    nav { display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; }
    .place, .note, footer { color: var(--soft); font-size: 0.8125rem; }
    .place { margin: 0.25rem 0 0; }
    .note { margin: 0.75rem 0; max-width: 46rem; }

    .tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(10.5rem, 1fr)); gap: 0.75rem; margin: 2rem 0 1.25rem; }
    .tiles > div { background: var(--card); border: 1px solid var(--line); border-radius: 0.5rem; padding: 0.75rem 1rem; }
    .tiles dt { color: var(--soft); font-size: 0.875rem; }
    .tiles dd { margin: 0; display: flex; flex-direction: column; }
    .tiles b { font-size: 1.75rem; font-weight: 600; line-height: 1.2; letter-spacing: -0.01em; }
    .tiles span { color: var(--soft); font-size: 0.8125rem; }

    .scroll { overflow-x: auto; }
    table { border-collapse: collapse; width: 100%; font-size: 0.9375rem; }
    th, td { text-align: right; padding: 0.375rem 0 0.375rem 1.25rem; vertical-align: baseline; white-space: nowrap; }
    th { color: var(--soft); font-weight: 400; font-size: 0.8125rem; }
    thead th { border-bottom: 1px solid var(--line); }
    tbody tr + tr td { border-top: 1px solid var(--line); }
    th:first-child, td:first-child, td.long { text-align: left; }
    th:first-child, td:first-child { padding-left: 0; }
    td.long { white-space: normal; min-width: 10rem; }
    @media (max-width: 40rem) { th, td { padding-left: 0.75rem; } td.long { min-width: 8rem; } }

    details > summary { cursor: pointer; }

    .charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr)); gap: 1.5rem 2rem; align-items: start; }
    figure { margin: 0; }
    figcaption { font-weight: 600; font-size: 0.9375rem; margin-bottom: 0.5rem; }
    figure svg { display: block; width: 100%; max-width: 27rem; height: auto; }
    figure svg text { font-size: 12px; fill: var(--soft); }
    .bar { fill: var(--bar); }
    .bar.rest { fill: var(--rest); }
    .grid { stroke: var(--line); }
    .axis { stroke: var(--soft); }
    .area { fill: var(--tint); }
    .curve { fill: none; stroke: var(--bar); stroke-width: 2; stroke-linejoin: round; }
    .even { stroke: var(--soft); stroke-dasharray: 4 3; }
    .facts { display: flex; flex-wrap: wrap; gap: 0 0.625rem; margin: 0.25rem 0 0; font-size: 0.78125rem; color: var(--soft); }
    .facts b, .facts-list b { color: var(--ink); font-weight: 600; }
    .same { margin: 0; display: flex; gap: 0.75rem; align-items: baseline; }
    .same b { font-size: 1.75rem; font-weight: 600; }
    .same span { color: var(--soft); font-size: 0.875rem; }
    .facts-list { margin: 0; font-size: 0.9375rem; }
    .charts + .facts-list { margin: 1.5rem 0; }
    .facts-list > div { padding: 0.375rem 0; border-bottom: 1px solid var(--line); }
    .facts-list dt { color: var(--soft); font-size: 0.8125rem; }
    .facts-list dd { margin: 0; }
    @media print { body { padding: 0; max-width: none; } nav { display: none; } article, figure, tr { break-inside: avoid; } }

    """
}
