/// SVG elements: what a drawing is written with.
module internal CnnCluster.Dsl.Drawing.Svg

open System.Globalization
open System.Text
open System.Xml
open System.Xml.Linq

let private space = XNamespace.Get "http://www.w3.org/2000/svg"

/// A length in pixels, to a hundredth: the same text on every machine.
let number (value: float) =
    let text =
        System.Math.Round(value, 2).ToString("0.##", CultureInfo.InvariantCulture)

    if text = "-0" then "0" else text

let element (name: string) (attributes: (string * string) list) (children: XElement list) =
    XElement(
        space + name,
        [ for key, value in attributes -> XAttribute(XName.Get key, value) :> obj ]
        @ [ for child in children -> child :> obj ]
    )

/// An element with text in it. What XML cannot hold cannot stand in a script's names either.
let words name attributes (text: string) =
    let made = element name attributes []
    made.Value <- text
    made

let title text = words "title" [] text

let group kind children = element "g" [ "class", kind ] children

let private anchored anchor size (x: float) (y: float) attributes text =
    words
        "text"
        ([ "x", number x; "y", number y; "font-size", number size; "text-anchor", anchor ]
         @ attributes)
        text

let text size x y attributes content =
    anchored "start" size x y attributes content

let centred size x y attributes content =
    anchored "middle" size x y attributes content

let rectangle (x: float) (y: float) (width: float) (height: float) attributes =
    element
        "rect"
        ([ "x", number x; "y", number y; "width", number width; "height", number height ]
         @ attributes)
        []

let polygon (points: (float * float) list) attributes =
    let text =
        points |> List.map (fun (x, y) -> $"{number x},{number y}") |> String.concat " "

    element "polygon" (("points", text) :: attributes) []

let path (data: string) attributes =
    element "path" (("d", data) :: attributes) []

/// The arrow's head ends in (x, y), pointing down or to the right.
let private head (points: (float * float) list) = polygon points [ "fill", Palette.line ]

let headDown x y =
    head [ x, y; x - 3.5, y - 7.0; x + 3.5, y - 7.0 ]

let headRight x y =
    head [ x, y; x - 7.0, y - 3.5; x - 7.0, y + 3.5 ]

/// About how wide a text is in a sans-serif face, in pixels; rather too wide than too narrow.
let widthOf (size: float) (text: string) =
    let share letter =
        match letter with
        | 'i'
        | 'j'
        | 'l'
        | '.'
        | ','
        | ':'
        | '/'
        | '('
        | ')'
        | ' '
        | 't'
        | 'f' -> 0.36
        | 'm'
        | 'w'
        | 'M'
        | 'W'
        | '@' -> 0.92
        | letter when System.Char.IsAsciiLetterUpper letter -> 0.72
        | letter when letter < '\u2000' -> 0.6
        | _ -> 1.0

    size * Seq.sumBy share text

/// A whole document of this size, on a background, with its name and what it shows for those who cannot see it.
let document (width: float) (height: float) name description children =
    let root =
        element
            "svg"
            [ "viewBox", $"0 0 {number width} {number height}"
              "width", number width
              "height", number height
              "role", "img"
              "font-family", Palette.font
              "fill", Palette.ink ]
            ([ title name; words "desc" [] description; rectangle 0.0 0.0 width height [ "fill", Palette.background ] ]
             @ children)

    let settings =
        XmlWriterSettings(Indent = true, NewLineChars = "\n", OmitXmlDeclaration = true)

    let text = StringBuilder()

    do
        use writer = XmlWriter.Create(text, settings)
        root.WriteTo writer

    text.Append('\n').ToString()

/// A colour or a dashed outline in use, and what it stands for.
type LegendEntry =
    { Fill: string
      Dashed: bool
      Text: string }

/// Entries in a row from (x, y); with its width.
let legend (x: float) (y: float) (entries: LegendEntry list) =
    let folder (at, elements) entry =
        let outline =
            [ "fill", entry.Fill
              "stroke", Palette.line
              "stroke-width", "0.8"
              if entry.Dashed then "stroke-dasharray", "4 2" ]

        let swatch = rectangle at (y - 10.0) 12.0 12.0 outline
        let label = text 11.0 (at + 17.0) y [ "fill", Palette.faint ] entry.Text
        at + 17.0 + widthOf 11.0 entry.Text + 16.0, label :: swatch :: elements

    let finish, elements = List.fold folder (x, []) entries
    group "legend" (List.rev elements), finish - x - 16.0

/// The legend of the families that a network has.
let families folding =
    [ for family, name in Labels.present folding ->
          { Fill = Palette.fill family
            Dashed = false
            Text = name } ]
