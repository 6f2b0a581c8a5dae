import Memory
import Testing

@Test func arenaHandsOutWhatItMeasured() {
  let (arena, views) = Arena.layOut { space in (space.vector(3), space.matrix(rows: 2, columns: 5)) }
  #expect(arena.byteCount == 128)
  #expect(UInt(bitPattern: views.1.base) - UInt(bitPattern: views.0.base) == 64)
  views.1.vector.fill(2)
  #expect(views.0.array == [0, 0, 0])
  withExtendedLifetime(arena) {}
}

@Test func overlaidScratchSharesItsStart() {
  let (arena, views) = Arena.layOut { space in
    space.overlaid([{ $0.vector(16) }, { $0.vector(64) }])
  }
  #expect(views[0].base == views[1].base)
  #expect(arena.byteCount == 256)
}

@Test func matrixWindowsKeepTheStride() {
  let buffer = Buffer((0..<12).map(Float.init))
  let window = buffer.vector.matrix(rows: 3, columns: 4).columns(1..<3).rows(1..<3)
  #expect(window.row(0).array == [5, 6])
  #expect(window.row(1).array == [9, 10])
  #expect(!window.isDense)
}

@Test(arguments: [0, 1, 15, 16, 17, 40]) func finiteVectorsAreToldFromOthers(count: Int) {
  let buffer = Buffer<Float>(count: count)
  for index in 0..<count { buffer[index] = index % 2 == 0 ? .greatestFiniteMagnitude : -.leastNonzeroMagnitude }
  #expect(buffer.vector.isFinite)
  for value in [Float.infinity, -.infinity, .nan] {
    for index in 0..<count {
      let before = buffer[index]
      buffer[index] = value
      #expect(!buffer.vector.isFinite, "\(value) at \(index)")
      buffer[index] = before
    }
  }
}

/// Rounded like numbers, the first would be an infinity, the last two 0.
@Test(arguments: [0x7F80_0001, 0x7FC0_0000, 0xFF80_0001, 0x7FFF_FFFF, 0xFFFF_FFFF] as [UInt32])
func notANumberStaysSo(pattern: UInt32) {
  #expect(BFloat16(Float(bitPattern: pattern)).float.isNaN)
  #expect(BFloat16(Float.infinity).float == .infinity)
}
