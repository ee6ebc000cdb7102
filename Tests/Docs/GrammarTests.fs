/// The grammar of the reference: sentences that are made from it at random are scripts of a right form.
module CnnCluster.Tests.Docs.GrammarTests

open System
open System.Text.RegularExpressions
open Expecto
open CnnCluster.Dsl
open CnnCluster.Tests.Docs
open CnnCluster.Tests.Dsl

type private Grammar =
    | Literal of string
    | Rule of string
    | Sequence of Grammar list
    | Choice of Grammar list
    | Maybe of Grammar
    | Many of Grammar

// ---- reading EBNF ----

let private tokens (text: string) =
    let plain = Regex.Replace(text, @"\(\*.*?\*\)", "")
    [ for found in Regex.Matches(plain, "\"[^\"]*\"|'[^']*'|[a-z-]+|[=;|(){}\\[\\]]") -> found.Value ]

let rec private choice tokens =
    let first, rest = sequence [] tokens

    match rest with
    | "|" :: others ->
        match choice others with
        | Choice more, rest -> Choice(first :: more), rest
        | other, rest -> Choice [ first; other ], rest
    | _ -> first, rest

and private sequence found tokens =
    let wrapped make inner close =
        match choice inner with
        | content, token :: rest when token = close -> sequence (make content :: found) rest
        | _ -> failtest $"'{close}' is missing"

    match tokens with
    | "[" :: rest -> wrapped Maybe rest "]"
    | "{" :: rest -> wrapped Many rest "}"
    | "(" :: rest -> wrapped id rest ")"
    | token :: rest when token.StartsWith '"' || token.StartsWith '\'' ->
        sequence (Literal(token.Substring(1, token.Length - 2)) :: found) rest
    | token :: rest when Char.IsLetter token[0] -> sequence (Rule token :: found) rest
    | rest -> Sequence(List.rev found), rest

let rec private rules tokens =
    match tokens with
    | name :: "=" :: rest ->
        match choice rest with
        | content, ";" :: rest -> (name, content) :: rules rest
        | _, rest -> failtest $"rule '{name}' does not end, at {List.truncate 3 rest}"
    | [] -> []
    | other -> failtest $"no rule begins with {List.truncate 3 other}"

let private grammar =
    lazy
        (Markdown.blocks (Markdown.lines "docs/language.md")
         |> List.find (fun (language, _, _) -> language = "ebnf")
         |> fun (_, _, text) -> rules (tokens text) |> Map.ofList)

// ---- making sentences ----

/// Rules whose parts have no blanks between them; the others have, unless they stand in one of these.
let private glued =
    set [ "tight"; "atom"; "number"; "size"; "side"; "name"; "word"; "string"; "argument" ]

let private spaced = set [ "expression"; "row"; "body" ]

/// What the grammar leaves to words. Names are made of few letters, so that none is a word of the language.
let private terminal (random: Random) name =
    let oneOf (letters: string) =
        letters.Substring(random.Next letters.Length, 1)

    match name with
    | "letter" -> oneOf "abcd"
    | "digit" -> oneOf "0123456789"
    | "character" -> oneOf "a b#{}é;"
    | "line-end" -> "\n"
    | other -> failtest $"the grammar does not say what '{other}' is"

/// Deeper than this, what may be left out is left out, and the first of several ways is taken.
let private deepest = 40

let rec private sentence (random: Random) depth blanks part =
    let again = sentence random (depth + 1)
    let deep = depth > deepest

    match part with
    | Literal "not" -> "not "
    | Literal text -> text
    | Sequence parts -> parts |> List.map (again blanks) |> String.concat (if blanks then " " else "")
    | Choice ways -> again blanks (if deep then ways.Head else ways[random.Next ways.Length])
    | Maybe inner -> if deep || random.Next 2 = 0 then "" else again blanks inner
    | Many inner ->
        let count = if deep then 0 else random.Next 3

        List.init count (fun _ -> again blanks inner)
        |> String.concat (if blanks then " " else "")
    | Rule "unary" ->
        // A minus touches its value; a "not" has no place among what has no blanks.
        let text = again false grammar.Value["unary"]
        if blanks || not (text.StartsWith "not ") then text else text.Substring 4
    | Rule name ->
        match Map.tryFind name grammar.Value with
        | None -> terminal random name
        | Some content -> again (spaced.Contains name || blanks && not (glued.Contains name)) content

/// What the grammar's comments exclude.
let private isExcluded (text: string) =
    Regex.IsMatch(text, @"[\d_]-[a-z]|--|[eE]\+?\d{3}")

[<Tests>]
let tests =
    testList
        "Docs.grammar"
        [ test "what is made from the grammar has the form of a script" {
              let random = Random 20260101

              let sentences =
                  Seq.initInfinite (fun _ -> sentence random 0 true (Rule "script"))
                  |> Seq.filter (isExcluded >> not)
                  |> Seq.take 2000

              for text in sentences do
                  match Scripts.parse text with
                  | _, [] -> ()
                  | _, diagnostics ->
                      let said =
                          diagnostics
                          |> List.map (Report.render (Scripts.source text))
                          |> String.concat "\n"

                      failtest $"{said}\nin:\n{text}"
          }
          test "every rule of the grammar is used" {
              let rec used part =
                  match part with
                  | Literal _ -> []
                  | Rule name -> [ name ]
                  | Sequence parts
                  | Choice parts -> List.collect used parts
                  | Maybe inner
                  | Many inner -> used inner

              let all = grammar.Value |> Map.toList |> List.collect (snd >> used) |> Set.ofList

              for KeyValue(name, _) in grammar.Value do
                  if name <> "script" then Expect.contains all name "rules"
          } ]
