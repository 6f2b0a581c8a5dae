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
