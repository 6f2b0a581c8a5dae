/// How the page of runs looks. Runs have colors that color-blind people tell apart, and dashes and marks of their own.
enum RunsStyle {
  static let css: HTML = """

    :root {
      --r0: #2f64a3; --r1: #c2500a; --r2: #0a8560; --r3: #a3468a; --r4: #84650a; --r5: #3c97c8; --r6: #5a6068; --r7: #7d4a36;
      --p0: #dba520; --p1: #5b93cf; --p2: #2f64a3; --p3: #c9c5bb; --p4: #d4672a; --p5: #2c9c77; --p6: #a3468a; --p7: #8b8f96;
      --good: #14704f; --busy: #2f64a3; --warn: #8a5a00; --bad: #b3261e;
    }
    @media (prefers-color-scheme: dark) {
      :root {
        --r0: #86aadd; --r1: #f19456; --r2: #4fc79b; --r3: #e18fc6; --r4: #d9bb55; --r5: #84d3f7; --r6: #b4b9c1; --r7: #cf9f89;
        --p0: #dfb448; --p1: #a4c8f0; --p2: #6490c9; --p3: #4a4f57; --p4: #e58a55; --p5: #54bb95; --p6: #cf82b7; --p7: #80858d;
        --good: #5fcf9f; --busy: #86aadd; --warn: #e3b34f; --bad: #ff8a80;
      }
    }
    .r0 { --c: var(--r0); --d: none; } .r1 { --c: var(--r1); --d: 7 3; } .r2 { --c: var(--r2); --d: 2 2.5; }
    .r3 { --c: var(--r3); --d: 8 3 2 3; } .r4 { --c: var(--r4); --d: 12 4; } .r5 { --c: var(--r5); --d: 4 2; }
    .r6 { --c: var(--r6); --d: 10 2 2 2 2 2; } .r7 { --c: var(--r7); --d: 1 3; }
    body { max-width: 92rem; }
    .tiles b { font-size: 1.375rem; }
    .charts { margin-top: 1rem; }
    .curve { stroke: var(--c); stroke-width: 1.6; stroke-dasharray: var(--d); }
    .band { fill: var(--c); opacity: 0.2; }
    .measured { fill: none; stroke: var(--c); stroke-width: 1; opacity: 0.6; }
    .mark { fill: var(--card); stroke: var(--c); stroke-width: 1.5; }
    .restart { stroke: var(--c, var(--soft)); stroke-dasharray: 2 3; }
    .hint { fill: transparent; }
    .hint:hover { fill: var(--ink); opacity: 0.07; }
    svg.key { vertical-align: -1px; }
    .legend { display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; margin: 1rem 0 0; font-size: 0.8125rem; color: var(--soft); }
    .count { color: var(--soft); }
    h3 .count { font-weight: 400; font-size: 0.8125rem; margin-left: 0.375rem; }
    nav { margin-top: 1rem; }
    h3.run { font-size: 1.0625rem; margin: 2rem 0 0.5rem; }
    td .place { white-space: normal; }
    .zero { color: var(--soft); }
    .some { font-weight: 600; }
    code, pre { font: 0.8125rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
    .differences { width: auto; }
    .products th, .products td { text-align: left; }
    .facts-list { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)); gap: 0 2.5rem; }
    .differences td { white-space: normal; }
    .missing { color: var(--soft); }
    .badge { border: 1px solid; border-radius: 1rem; padding: 0.0625rem 0.5rem; font-size: 0.8125rem; white-space: nowrap; color: var(--busy); }
    .badge.finished { color: var(--good); }
    .badge.failed { color: var(--bad); }
    .badge.stalled, .badge.stopped { color: var(--warn); }
    .alert { border: 1px solid var(--warn); border-radius: 0.5rem; padding: 0.5rem 1rem; margin: 1rem 0; font-size: 0.875rem; }
    .alert p { margin: 0.25rem 0; }
    .alert ul { margin: 0.25rem 0; padding-left: 1.25rem; max-height: 16rem; overflow-y: auto; }

    .layer { fill: var(--c); }
    .phase { background: var(--c); }
    .p0 { --c: var(--p0); } .p1 { --c: var(--p1); } .p2 { --c: var(--p2); } .p3 { --c: var(--p3); }
    .p4 { --c: var(--p4); } .p5 { --c: var(--p5); } .p6 { --c: var(--p6); } .p7 { --c: var(--p7); }
    .legend .phase { display: inline-block; width: 0.75rem; height: 0.75rem; border-radius: 0.125rem; vertical-align: -1px; }
    .timing { display: grid; gap: 1.25rem 3rem; font-size: 0.875rem; }
    .timing figure { margin-bottom: 1rem; }
    @media (min-width: 64rem) { .timing { grid-template-columns: minmax(0, 1fr) 22rem; } }
    .rank { display: grid; grid-template-columns: 12rem 1fr 5.5rem 5.5rem; gap: 0.25rem 1rem; align-items: center; padding: 0.125rem 0; }
    .rank > span:nth-child(n+3) { text-align: right; }
    .phases { display: flex; height: 1.125rem; gap: 1px; }
    .group { color: var(--soft); font-size: 0.8125rem; margin: 0.75rem 0 0.25rem; }

    .strip { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 15rem), 1fr)); gap: 1rem; align-items: end; }
    .strip details[open] { grid-column: 1 / -1; }
    .strip summary { list-style: none; }
    .strip summary::-webkit-details-marker { display: none; }
    .strip img { display: block; width: 100%; height: auto; border: 1px solid var(--line); border-radius: 0.25rem; }
    .strip summary span { font-size: 0.8125rem; color: var(--soft); }

    .events { list-style: none; margin: 0; padding: 0; font-size: 0.875rem; }
    .events li { display: grid; grid-template-columns: 10.5rem 9rem 1fr; gap: 0 1rem; padding: 0.3125rem 0; border-top: 1px solid var(--line); }
    .events time { color: var(--soft); }
    .events b { font-weight: 400; }
    .events .job b, .events .bad b, .events .odd b { font-weight: 600; }
    .events .bad b { color: var(--bad); }
    .events .odd b { color: var(--warn); }

    .configuration { margin: 1rem 0; }
    .configuration pre {
      background: var(--card); border: 1px solid var(--line); border-radius: 0.5rem; padding: 0.75rem 1rem; overflow-x: auto;
      max-height: 40rem; overflow-y: auto;
    }
    @media (max-width: 40rem) {
      .tiles { grid-template-columns: 1fr 1fr; }
      .tiles b { font-size: 1.25rem; }
      .strip { display: flex; overflow-x: auto; }
      .strip details { flex: 0 0 75%; }
      .strip details[open] { flex-basis: 100%; }
      .rank { grid-template-columns: 1fr auto auto; }
      .rank .phases { grid-column: 1 / -1; grid-row: 2; }
      .events li { grid-template-columns: auto 1fr; }
      .events li div { grid-column: 1 / -1; }
    }
    @media print { .strip details, .rank, .events li { break-inside: avoid; } }

    """
}
