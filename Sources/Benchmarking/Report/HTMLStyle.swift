/// How the HTML report looks: light and dark, on a telephone, a desk and paper.
enum HTMLStyle {
  /// Runners beyond these share colours.
  static let colourCount = 6

  /// Colours that stay apart for the colour-blind (Okabe and Ito), lighter in the dark. Text on the background has a
  /// contrast of at least 4.5.
  static let text = """
    :root{color-scheme:light dark;--ink:#1c2024;--quiet:#5b646c;--line:#d8dde1;--back:#fff;--soft:#f4f6f8;--bad:#b3261e;
    --good:#0a6b46;--c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#b0579a;--c4:#8a6d00;--c5:#3d3d8f}
    @media(prefers-color-scheme:dark){:root{--ink:#e8eaed;--quiet:#9aa5ae;--line:#353c43;--back:#14181b;--soft:#1c2226;
    --bad:#ff8a80;--good:#5fd3a0;--c0:#56b4e9;--c1:#ff8c42;--c2:#3ddc97;--c3:#e39ccf;--c4:#f0e442;--c5:#a9a9ff}}
    *{box-sizing:border-box}body{margin:0;background:var(--back);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
    main{max-width:1080px;margin:0 auto;padding:28px 20px 60px}h1{font-size:28px;line-height:1.2;margin:0 0 6px}
    h2{font-size:18px;margin:40px 0 12px}.quiet{color:var(--quiet);margin:4px 0}p,li,dd{overflow-wrap:anywhere}
    ul{padding-left:20px}ul.verdicts{padding:0;margin:20px 0;list-style:none;font-size:17px}
    .verdicts li{border-left:4px solid var(--line);background:var(--soft);padding:8px 14px;margin:6px 0}
    .verdicts .faster{border-color:var(--good)}.verdicts .slower{border-color:var(--bad)}
    ul.bad{border:2px solid var(--bad);border-radius:6px;padding:10px 10px 10px 30px}.bad{color:var(--bad);font-weight:600}
    .wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums;white-space:nowrap}
    th{font-size:12px;color:var(--quiet);font-weight:600;text-align:left}
    td,th{padding:6px 9px;border-bottom:1px solid var(--line)}td.n,th.n{text-align:right}
    td:first-child,th:first-child{padding-left:0;position:sticky;left:0;background:var(--back)}
    tr.next td{border-top:2px solid var(--line)}
    .charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,480px),1fr));gap:26px 30px;margin:18px 0}
    figure{margin:0}figcaption{font-size:13px;font-weight:600;margin-bottom:6px}
    svg{width:100%;height:auto;display:block}svg text{fill:var(--quiet);font:12px system-ui,sans-serif;
    paint-order:stroke;stroke:var(--back);stroke-width:3px;stroke-linejoin:round}
    .grid{stroke:var(--line)}.one{stroke:var(--ink)}.band{fill:var(--line);fill-opacity:.6}
    .legend{position:sticky;top:0;z-index:1;background:var(--back);padding:8px 0;margin:0;border-bottom:1px solid var(--line)}
    .legend span{display:inline-block;margin-right:18px}i{display:inline-block;width:12px;height:12px;border-radius:3px;
    margin-right:7px;vertical-align:-1px}dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 18px;margin:12px 0}
    dt{color:var(--quiet)}dd{margin:0}code{font:13px ui-monospace,monospace}
    summary{cursor:pointer;color:var(--quiet);padding:6px 0}
    path,polyline{fill:none;stroke-width:2;stroke-linejoin:round}.thin{stroke-width:1.2;stroke-opacity:.85}
    .area{fill-opacity:.14;stroke-width:1.6}.whisker{stroke-width:2.5}
    @media(max-width:560px){svg text{font-size:15px}dl{display:block}dd{margin-bottom:6px}}
    @media print{.legend{position:static}figure,tr,h2{break-inside:avoid}main{max-width:none;padding:0}}
    \((0..<colourCount).map { ".b\($0){background:var(--c\($0))}.l\($0){stroke:var(--c\($0))}.f\($0){fill:var(--c\($0))}" }
      .joined())
    """
}
