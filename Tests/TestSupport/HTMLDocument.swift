import Foundation

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// What a strict parser finds in a page.
package final class HTMLDocument: NSObject, XMLParserDelegate {
  package private(set) var elements: Set<String> = []
  package private(set) var attributes: [(name: String, value: String)] = []
  /// The text of elements that captions are in.
  package private(set) var captions: [String] = []
  /// All text that is shown.
  package private(set) var text = ""
  private var open: [String?] = []

  /// - Throws: if the page is not well-formed.
  package init(_ html: String) throws {
    super.init()
    let parser = XMLParser(data: Data(html.utf8))
    parser.delegate = self
    if !parser.parse() { throw parser.parserError ?? CocoaError(.coderReadCorrupt) }
  }

  package func parser(
    _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?, attributes: [String: String]
  ) {
    elements.insert(name)
    self.attributes += attributes.map { ($0.key, $0.value) }
    open.append(attributes["dir"] == nil ? nil : "")
  }

  package func parser(_ parser: XMLParser, foundCharacters text: String) {
    self.text += text
    for index in open.indices { open[index]?.append(text) }
  }

  package func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) {
    if let text = open.removeLast() { captions.append(text) }
  }
}
