/// The page of the command line has each command with its options, and no others.
module CnnCluster.Tests.Docs.CommandLineTests

open System.CommandLine
open System.Text.RegularExpressions
open Expecto
open CnnCluster.Cli
open CnnCluster.Tests.Docs

let private page = Markdown.lines "docs/command-line.md"

/// A command with its words, as they are typed; those of commands that only group others are not among them.
let rec private commands words (command: Command) =
    let words = words @ [ command.Name ]

    if command.Subcommands.Count = 0 then
        [ words, command ]
    else
        List.collect (commands words) (List.ofSeq command.Subcommands)

let private all =
    [ for command in CommandLine.Create().Subcommands do
          yield! commands [ "cnn" ] command ]

/// What the page has a command under: its words, and the names of what it takes.
let private heading (words: string list) (command: Command) =
    let arguments =
        [ for argument in command.Arguments ->
              if argument.Arity.MaximumNumberOfValues > 1 then
                  argument.Name + "..."
              else
                  argument.Name ]

    String.concat " " (words @ arguments)

/// Those that are shown to users.
let private optionsOf (command: Command) =
    set
        [ for option in command.Options do
              if not option.Hidden then option.Name ]

let private named text =
    [ for found in Regex.Matches(text, "--[a-z][a-z-]*") -> found.Value ]

/// The options in the first cells of tables.
let private inTables lines =
    set
        [ for row in Markdown.rows lines do
              yield! named row.Head ]

[<Tests>]
let tests =
    testList
        "Docs.command line"
        [ test "the first table has every command" {
              let listed =
                  [ for row in Markdown.rows (Markdown.section "The command line" page) do
                        let link = Regex.Match(row.Head, @"^\[(\w+)\]")
                        if link.Success then link.Groups[1].Value ]

              let known = [ for words, _ in all -> words[1] ]
              Expect.equal (Set.ofList listed) (Set.ofList known) "commands"
          }
          for words, command in all do
              let name = String.concat " " words

              test $"{name}: the page's options are the command's" {
                  let title = heading words command
                  let lines = Markdown.section title page
                  Expect.isNonEmpty lines $"a section '{title}'"
                  Expect.equal (inTables lines) (optionsOf command) "options"
              }
          test "what is said of going on with a run names every option of cnn train" {
              let train =
                  all
                  |> List.pick (fun (words, command) -> if words = [ "cnn"; "train" ] then Some command else None)

              let said = Markdown.section "Going on with a run" page |> List.collect named
              Expect.equal (Set.ofList said) (optionsOf train) "options"
          } ]
