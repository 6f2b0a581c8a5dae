/// A page of HTML that needs no other file, no script and no network.
struct Document {
  struct Section {
    var id: String
    var title: String
    var body: HTML
  }

  /// Of the browser's window.
  var title: String
  var style: HTML
  var header: HTML
  var sections: [Section]
  var footer: HTML

  var html: String {
    let links = sections.map { section -> HTML in "<a href=\"#\(section.id)\">\(section.title)</a>\n" }
    let bodies = sections.map { section -> HTML in
      "<section id=\"\(section.id)\">\n<h2>\(section.title)</h2>\n\(section.body)</section>\n"
    }
    // Allows the page nothing but its own images and style, whatever else might get into it.
    let policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    let page: HTML = """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8"/>
      <meta http-equiv="Content-Security-Policy" content="\(policy)"/>
      <meta name="viewport" content="width=device-width, initial-scale=1"/>
      <meta name="color-scheme" content="light dark"/>
      <title>\(title)</title>
      <style>\(PageStyle.css)\(style)</style>
      </head>
      <body>
      <header>
      \(header)<nav>
      \(links)</nav>
      </header>
      <main>
      \(bodies)</main>
      <footer>
      \(footer)</footer>
      </body>
      </html>

      """
    return page.markup
  }
}

/// Text whose direction of writing does not disturb what is around it.
func bdi(_ text: String) -> HTML { "<bdi>\(text)</bdi>" }

/// A number at the head of a page.
func tile(_ value: String, _ name: String, _ note: String) -> HTML {
  "<div><dt>\(name)</dt><dd><b>\(value)</b><span>\(note)</span></dd></div>\n"
}
