import Foundation
import Generation
import Images

/// The scores of a model on held-out images, and the images side by side, as one page of HTML that needs no other file.
package struct ImageScoresPage {
  package let html: String

  /// - Parameters:
  ///   - name: of the model.
  ///   - samples: those that are shown.
  package init(_ metrics: ImageMetrics, name: String, path: String, samples: [ImageEvaluation.Sample]) throws {
    let sections = [
      Document.Section(id: "distances", title: "Distances and captions", body: Self.distances(metrics)),
      Document.Section(id: "samples", title: "Samples", body: try Self.cards(samples)),
    ]
    html =
      Document(
        title: "\(name): scores", style: Self.css,
        header: """
          <h1>\(bdi(name))</h1>
          <p class="place">\(bdi(path))</p>
          \(Self.tiles(metrics))
          """,
        sections: sections,
        footer: """
          <p>Made by dalle-eval images with seed \(String(metrics.seed)): one image per caption, temperature \
          \(NumberText.short(metrics.sampling.temperature)), guidance \(NumberText.short(metrics.sampling.guidance)). Features are of the network \
          with SHA-256 \(metrics.features.prefix(12).description); distances of two networks cannot be compared. The numbers are in the .json file \
          beside this page.</p>

          """
      ).html
  }

  private static func tiles(_ metrics: ImageMetrics) -> HTML {
    let tiles =
      [
        tile(NumberText.grouped(metrics.images), "held-out images", "one generated for the caption of each"),
        tile(NumberText.short(metrics.imageNats.value), "nats per image token", interval(metrics.imageNats)),
        tile(NumberText.short(metrics.textNats.value), "nats per text token", interval(metrics.textNats)),
        tile("\(NumberText.short(metrics.psnr.value)) dB", "PSNR of the dVAE", interval(metrics.psnr)),
      ]
      + (metrics.similarity.map { [tile(NumberText.short($0.value), "SSIM of the dVAE", interval($0))] } ?? [])
    return "<dl class=\"tiles\">\n\(tiles)</dl>\n"
  }

  private static func distances(_ metrics: ImageMetrics) -> HTML {
    func cell(_ estimate: Estimate, _ factor: Double = 1) -> HTML {
      "<td>\(NumberText.short(factor * estimate.value)) <span>\(interval(estimate, factor))</span></td>"
    }
    func row(_ name: String, _ kind: ImageMetrics.Kind) -> HTML {
      "<tr><td>\(name)</td>\(cell(kind.frechetDistance))\(cell(kind.kernelDistance, 1000))\(cell(kind.captionFirst, 100))</tr>\n"
    }
    return """
      <div class="scroll"><table class="scores">
      <thead><tr><th></th><th>Fréchet distance</th><th>kernel distance · 1000</th><th>own caption first of \(metrics.candidates), %</th></tr></thead>
      <tbody>
      \(row("generated", metrics.generated))\(row("held-out, through the dVAE", metrics.reconstructed))\
      <tr><td>held-out</td><td>0</td><td>0</td>\(cell(metrics.heldOutCaptionFirst, 100))</tr>
      </tbody></table></div>
      <p class="note">In brackets: what has the true value in 95 of 100 cases. The Fréchet distance grows as images become fewer; the kernel \
      distance does not. No generated image can be closer than what the dVAE keeps.</p>

      """
  }

  private static func cards(_ samples: [ImageEvaluation.Sample]) throws -> HTML {
    func picture(_ image: Image, _ name: String) throws -> HTML {
      let inlay = try Inlay(image, name: name)
      return """
        <figure><img class="\(max(inlay.width, inlay.height) < 128 ? "pixels" : "")" src="\(inlay.address)" width="\(inlay.width)" \
        height="\(inlay.height)" alt="\(inlay.name)"/><figcaption>\(name)</figcaption></figure>

        """
    }
    let cards = try samples.map { sample -> HTML in
      """
      <article>
      <div class="three">
      \(try picture(sample.heldOut, "held-out"))\(try picture(sample.reconstructed, "dVAE"))\(try picture(sample.generated, "generated"))</div>
      <p dir="auto">\(sample.caption)</p>
      </article>

      """
    }
    return "<div class=\"samples\">\n\(cards)</div>\n"
  }

  /// "(1.2 to 1.4)"
  private static func interval(_ estimate: Estimate, _ factor: Double = 1) -> String {
    "(\(NumberText.short(factor * estimate.low)) to \(NumberText.short(factor * estimate.high)))"
  }

  private static let css: HTML = """

    .scores span { color: var(--soft); font-size: 0.8125rem; }
    .samples { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr)); gap: 1.25rem; align-items: start; }
    article { background: var(--card); border: 1px solid var(--line); border-radius: 0.5rem; padding: 0.75rem; overflow: hidden; }
    .three { display: grid; grid-template-columns: repeat(3, 1fr); gap: 0.5rem; }
    .three img { display: block; width: 100%; height: auto; aspect-ratio: 1; border-radius: 0.125rem; }
    .three figcaption { font-weight: 400; font-size: 0.75rem; color: var(--soft); margin: 0.25rem 0 0; }
    article p { margin: 0.5rem 0 0; font-size: 0.9375rem; line-height: 1.4; }
    .pixels { image-rendering: pixelated; }

    """
}
