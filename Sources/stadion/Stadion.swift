@main
enum Stadion {
  static func main() async {}
}
