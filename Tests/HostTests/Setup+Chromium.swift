import Foundation

extension Setup {
  static let hasChromium =
    isThere("/usr/bin/chromium") || ProcessInfo.processInfo.environment["STADION_REQUIRE_ENGINES"] == "1"
  static let needsChromium = "requires: chromium (make test-setup)"
}
