/// What the tests of the documentation need of Markdown: sections, tables and code blocks.
module CnnCluster.Tests.Docs.Markdown

open System
open System.IO
open System.Text.RegularExpressions
open CnnCluster.Tests

let lines path =
    File.ReadAllLines(Repository.file path) |> List.ofArray

/// Backticks mark code in headings and cells; here only the words count.
let private plain (text: string) = text.Replace("`", "").Trim()

/// Code blocks with their languages and the lines they begin on; an end without a language closes.
let blocks (lines: string list) =
    let rec scan number opened found =
        function
        | [] -> List.rev found
        | (line: string) :: rest when line.StartsWith "```" ->
            match opened with
            | None -> scan (number + 1) (Some(line.Substring(3).Trim(), number, [])) found rest
            | Some(language, start, body) ->
                scan (number + 1) None ((language, start, String.Join("\n", List.rev body)) :: found) rest
        | line :: rest ->
            let opened =
                opened
                |> Option.map (fun (language, start, body) -> language, start, line :: body)

            scan (number + 1) opened found rest

    scan 1 None [] lines

/// The lines under a heading, up to the next heading of any level.
let section title (lines: string list) =
    let isHeading (line: string) = Regex.IsMatch(line, "^#+ ")

    lines
    |> List.skipWhile (fun line -> not (isHeading line && plain (line.TrimStart '#') = title))
    |> function
        | [] -> []
        | _ :: rest -> rest |> List.takeWhile (not << isHeading)

/// The rows of the tables among these lines, as plain cells; headers and rules are rows like others.
let rows (lines: string list) =
    [ for line in lines do
          if line.StartsWith '|' then
              [ for cell in Regex.Split(line.Trim().Trim('|'), @"(?<!\\)\|") -> plain cell ] ]
