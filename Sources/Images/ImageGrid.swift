import CImages

/// Composes images and captions into one image.
package struct ImageGrid {
  /// A caption and its images, one of them at least, all of one size.
  package struct Row {
    package var caption: String
    package var images: [Image]

    package init(caption: String, images: [Image]) { (self.caption, self.images) = (caption, images) }
  }

  private static let margin = 12
  private static let ink: (UInt8, UInt8, UInt8) = (40, 40, 40)
  private static let paper: (UInt8, UInt8, UInt8) = (250, 250, 250)
  /// Pango font; where it is missing, Pango takes another sans serif font.
  private static let font = "DejaVu Sans 11"

  /// Rows of images of one size, each row with its caption above it: the candidates for a prompt.
  ///
  /// - Parameters:
  ///   - rows: captions and their images.
  ///   - columns: groups side by side; a good number for captions with one image each.
  package static func compose(_ rows: [Row], columns: Int = 1) throws -> Image {
    precondition(!rows.isEmpty && rows.allSatisfy { !$0.images.isEmpty }, "a grid without images")
    let size = rows[0].images[0]
    // Small images are enlarged by a whole factor, so that every pixel stays what it is.
    let factor = max(1, 192 / max(size.width, size.height))
    let cell = (width: size.width * factor, height: size.height * factor)
    let most = rows.map(\.images.count).max()!
    let groupWidth = most * (cell.width + margin) - margin

    let captions = try rows.map { try text($0.caption, width: groupWidth) }
    let lines = stride(from: 0, to: rows.count, by: columns).map { $0..<min($0 + columns, rows.count) }
    let captionHeights = lines.map { line in line.map { captions[$0]?.height ?? 0 }.max()! }
    let height = margin + captionHeights.reduce(0) { $0 + $1 + 6 + cell.height + 2 * margin } - margin
    var grid = Image(width: margin + min(columns, rows.count) * (groupWidth + 2 * margin) - margin, height: height, paper)

    var y = margin
    for (line, captionHeight) in zip(lines, captionHeights) {
      for (column, index) in line.enumerated() {
        let x = margin + column * (groupWidth + 2 * margin)
        if let caption = captions[index] {
          grid.paste(caption, x: x + (groupWidth - caption.width) / 2, y: y + captionHeight - caption.height)
        }
        for (column, image) in rows[index].images.enumerated() {
          precondition(image.width == size.width && image.height == size.height, "images of several sizes in a grid")
          grid.paste(image.enlarged(by: factor), x: x + column * (cell.width + margin), y: y + captionHeight + 6)
        }
      }
      y += captionHeight + 6 + cell.height + 2 * margin
    }
    return grid
  }

  /// Characters of a caption that are shown.
  private static let longestCaption = 400

  /// Text in the grid's ink on its paper, wrapped and centered; nil where nothing of it is visible.
  private static func text(_ text: String, width: Int) throws -> Image? {
    // Spaces, and what marks and formats other characters: alone they have no ink, which is an error to Pango.
    let isVisible = text.unicodeScalars.contains { scalar in
      switch scalar.properties.generalCategory {
      case .spaceSeparator, .lineSeparator, .paragraphSeparator, .control, .format, .nonspacingMark, .enclosingMark, .unassigned,
        .privateUse, .surrogate:
        false
      default: !scalar.properties.isDefaultIgnorableCodePoint && scalar != "\u{2800}"  // the empty Braille pattern
      }
    }
    if !isVisible { return nil }
    // C takes a string to its first NUL.
    let shown = String(text.prefix(longestCaption)).replacing("\0", with: " ") + (text.count > longestCaption ? "…" : "")
    Vips.start()
    var mask: UnsafeMutablePointer<UInt8>?
    var (maskWidth, maskHeight): (Int32, Int32) = (0, 0)
    guard images_text(shown, font, Int32(width), &mask, &maskWidth, &maskHeight) == 0, let mask else {
      throw Vips.failure("render a caption")
    }
    defer { images_free(mask) }
    var pixels: [UInt8] = []
    for y in 0..<Int(maskHeight) {
      // A word that is wider than the column runs out of it; what does not fit is cut.
      for x in 0..<min(width, Int(maskWidth)) {
        let share = Float(mask[y * Int(maskWidth) + x]) / 255
        for (dark, light) in [(ink.0, paper.0), (ink.1, paper.1), (ink.2, paper.2)] {
          pixels.append(UInt8(Float(light) + share * (Float(dark) - Float(light))))
        }
      }
    }
    return Image(width: min(width, Int(maskWidth)), height: Int(maskHeight), pixels: pixels)
  }
}
