/// How the report of a dataset looks.
enum ReportStyle {
  static let css: HTML = """

    .filters th:nth-child(2) { text-align: left; }
    .off td, .zero { color: var(--soft); }
    .some { font-weight: 600; }
    .examples { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); gap: 0 2.5rem; }
    .examples ul { list-style: none; margin: 0; padding: 0; }
    .examples li { padding: 0.375rem 0; border-top: 1px solid var(--line); }
    .examples li p { margin: 0; font-size: 0.875rem; }
    .examples li .place { font-size: 0.75rem; }
    .count { color: var(--soft); }

    .words { list-style: none; margin: 0; padding: 0; columns: 13rem; column-gap: 2rem; font-size: 0.9375rem; }
    .words li {
      display: flex; justify-content: space-between; gap: 0.5rem; padding: 0.125rem 0.375rem; break-inside: avoid; overflow: hidden;
      background: linear-gradient(to right, var(--tint) var(--share), transparent 0) 0 / 100% calc(100% - 2px) no-repeat;
    }

    .cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 13rem), 1fr)); gap: 1.25rem; align-items: start; }
    .cards.pairs { grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); }
    article { background: var(--card); border: 1px solid var(--line); border-radius: 0.5rem; padding: 0.75rem; overflow: hidden; }
    .look { display: flex; gap: 0.375rem; margin-bottom: 0.5rem; }
    .cards:not(.pairs) .look { height: 11.5rem; align-items: center; justify-content: center; }
    .look img { display: block; min-width: 0; border-radius: 0.125rem; }
    .pairs img { flex: 1 1 0; width: 50%; height: auto; aspect-ratio: 1; }
    .cards:not(.pairs) img { max-width: 100%; max-height: 100%; height: auto; width: auto; object-fit: contain; }
    .cards:not(.pairs) img.pixels { width: 100%; height: 100%; }
    .pixels { image-rendering: pixelated; }
    .caption { margin: 0; font-size: 0.9375rem; line-height: 1.4; }
    .caption + .caption { margin-top: 0.25rem; padding-top: 0.25rem; border-top: 1px dotted var(--line); }
    .caption > summary { list-style: none; }
    .caption > summary::-webkit-details-marker { display: none; }
    .caption[open] .start { display: none; }
    .caption p { margin: 0.25rem 0 0; max-height: 20rem; overflow-y: auto; }
    .unfold, article details:not(.caption) > summary { color: var(--bar); font-size: 0.8125rem; white-space: nowrap; }
    article details:not(.caption) { font-size: 0.8125rem; color: var(--soft); }
    article .place { font-size: 0.75rem; margin-top: 0.375rem; }
    .problem { margin: 0; color: var(--soft); font-size: 0.875rem; }

    """
}
