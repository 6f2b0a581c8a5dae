import Hashing
import Testing

/// FIPS 180-2, appendix B.1.
@Test func sha256KnownAnswer() {
  #expect(SHA256.hex(of: "abc".utf8) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
}
