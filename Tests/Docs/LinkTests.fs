/// Every link of the documentation leads somewhere.
module CnnCluster.Tests.Docs.LinkTests

open System.IO
open System.Text.RegularExpressions
open Expecto
open CnnCluster.Tests
open CnnCluster.Tests.Docs

/// A heading's anchor, as GitHub makes it.
let private anchor (heading: string) =
    let text = heading.TrimStart('#').Trim().ToLowerInvariant()
    Regex.Replace(text, @"[^\w\- ]", "").Replace(' ', '-')

/// Lines outside of code blocks.
let private prose path =
    let folder (inside, kept) (line: string) =
        if line.StartsWith "```" then not inside, kept
        elif inside then inside, kept
        else inside, line :: kept

    Markdown.lines path |> List.fold folder (false, []) |> snd |> List.rev

let private anchors path =
    prose path |> List.filter (fun line -> line.StartsWith '#') |> List.map anchor

let private targets path =
    [ for line in prose path do
          for found in Regex.Matches(line, @"\]\(([^)\s]+)\)") -> found.Groups[1].Value ]

/// What is wrong with a link, if anything is.
let private fault (path: string) (target: string) =
    let file, part =
        match target.Split '#' with
        | [| file |] -> file, None
        | parts -> parts[0], Some parts[1]

    let folder = Path.GetDirectoryName path |> Option.ofObj |> Option.defaultValue ""
    let other = if file = "" then path else Path.Combine(folder, file)
    let full = Repository.file other

    if target.Contains "://" then
        None
    elif not (File.Exists full || Directory.Exists full) then
        Some $"{path}: there is no {file}"
    else
        match part with
        | Some part when not (List.contains part (anchors other)) -> Some $"{path}: {target} has no such heading"
        | _ -> None

let private documents =
    [ "README.md"
      for file in Directory.GetFiles(Repository.file "docs", "*.md", SearchOption.AllDirectories) do
          Path.GetRelativePath(Repository.file ".", file) ]

[<Tests>]
let tests =
    testList
        "Docs.links"
        [ test "every link leads to a file, and every part of a page to its heading" {
              let faults =
                  documents |> List.collect (fun path -> targets path |> List.choose (fault path))

              Expect.isEmpty faults "links"
          } ]
