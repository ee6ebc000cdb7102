/// What the tests of drawings need of an SVG: groups with their titles, boxes, and the places that things go through.
module CnnCluster.Tests.Dsl.SvgReading

open System
open System.Globalization
open System.Text.RegularExpressions
open System.Xml.Linq

type Box =
    { Left: float
      Top: float
      Right: float
      Bottom: float }

let local (element: XElement) = element.Name.LocalName

let attribute name (element: XElement) : string | null =
    match element.Attribute(XName.Get name) with
    | null -> null
    | found -> found.Value

let numbers (text: string) =
    [ for part in Regex.Matches(text, @"-?\d+(\.\d+)?|NaN|∞|Infinity") ->
          Double.Parse(part.Value, CultureInfo.InvariantCulture) ]

let number name element =
    numbers (attribute name element) |> List.head

let groups kind (document: XDocument) =
    [ for element in document.Descendants() do
          if local element = "g" && attribute "class" element = kind then
              element ]

let titleOf (group: XElement) =
    group.Elements() |> Seq.find (fun e -> local e = "title") |> _.Value

let corners (shape: XElement) =
    match local shape with
    | "rect" ->
        let x, y = number "x" shape, number "y" shape
        [ x, y; x + number "width" shape, y + number "height" shape ]
    | "polygon" ->
        numbers (attribute "points" shape)
        |> List.chunkBySize 2
        |> List.map (fun p -> p[0], p[1])
    | _ -> []

let boxOf (group: XElement) =
    match group.Elements() |> Seq.collect corners |> List.ofSeq with
    | [] -> None
    | points ->
        Some
            { Left = points |> List.map fst |> List.min
              Top = points |> List.map snd |> List.min
              Right = points |> List.map fst |> List.max
              Bottom = points |> List.map snd |> List.max }

let overlap a b =
    a.Left < b.Right - 0.1
    && b.Left < a.Right - 0.1
    && a.Top < b.Bottom - 0.1
    && b.Top < a.Bottom - 0.1

let pairs items =
    [ for i, a in List.indexed items do
          for b in List.skip (i + 1) items -> a, b ]

/// The absolute places that a path goes through, with the vertical stretches among its steps.
let steps (path: XElement) =
    let tokens = Regex.Matches(attribute "d" path, @"([MLHVCq])([^MLHVCq]*)")

    (([], (0.0, 0.0)), tokens)
    ||> Seq.fold (fun (steps, (x, y)) token ->
        let values = numbers token.Groups[2].Value

        let next =
            match token.Groups[1].Value with
            | "H" -> values[0], y
            | "V" -> x, values[0]
            | "q" -> x + values[2], y + values[3]
            | _ -> values[values.Length - 2], values[values.Length - 1]

        (token.Groups[1].Value, (x, y), next) :: steps, next)
    |> fst
    |> List.rev

let offset (element: XElement) =
    element.Ancestors()
    |> Seq.choose (fun e -> attribute "transform" e |> Option.ofObj)
    |> Seq.map numbers
    |> Seq.fold (fun (x, y) shift -> x + shift[0], y + shift[1]) (0.0, 0.0)

let places (element: XElement) =
    match local element with
    | "rect"
    | "polygon" -> corners element
    | "text" -> [ number "x" element, number "y" element ]
    | "path" -> steps element |> List.map (fun (_, _, place) -> place)
    | _ -> []
