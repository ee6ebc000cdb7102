/// As much of a TextMate grammar's reader as this grammar needs: patterns, begin and end, captures, includes.
module CnnCluster.Tests.Docs.Editor.TextMate

open System.Text.Json.Nodes
open System.Text.RegularExpressions

/// A stretch of a line and what it is.
type Token =
    { Start: int
      Length: int
      Scope: string }

type Rule =
    {
        Begin: Regex
        /// Where the rule goes on over what follows, up to this.
        End: Regex option
        Name: string option
        Captures: Map<int, string>
        Inner: Lazy<Rule list>
    }

let private text (node: JsonNode) (key: string) =
    node[key] |> Option.ofObj |> Option.map string

let private captures (node: JsonNode) (key: string) =
    match node[key] with
    | null -> Map.empty
    | found -> Map [ for KeyValue(number, capture) in found.AsObject() -> int number, string capture["name"] ]

/// The rules of a grammar's `patterns`, includes put in.
let rec private rules (grammar: JsonNode) (node: JsonNode) : Rule list =
    match node["patterns"] with
    | null -> []
    | patterns -> patterns.AsArray() |> Seq.collect (ruleOf grammar) |> List.ofSeq

and private ruleOf grammar (node: JsonNode) : Rule list =
    match text node "include", text node "match", text node "begin" with
    | Some name, _, _ -> ruleOf grammar grammar["repository"].[name.TrimStart '#']
    | _, Some pattern, _ ->
        [ { Begin = Regex pattern
            End = None
            Name = text node "name"
            Captures = captures node "captures"
            Inner = lazy [] } ]
    | _, _, Some start ->
        [ { Begin = Regex start
            End = Some(Regex(string node["end"]))
            Name = text node "name"
            Captures = captures node "beginCaptures"
            Inner = lazy (rules grammar node) } ]
    | _ -> rules grammar node

let read (json: string) =
    let grammar = JsonNode.Parse json
    rules grammar grammar

let private tokens rule (found: Match) =
    [ match rule.Name with
      | Some name ->
          { Start = found.Index
            Length = found.Length
            Scope = name }
      | None -> ()
      for KeyValue(number, scope) in rule.Captures do
          if found.Groups[number].Success then
              { Start = found.Groups[number].Index
                Length = found.Groups[number].Length
                Scope = scope } ]

/// The leftmost match, and of several the first rule's; an open rule's end comes before all.
let private next rules opened (line: string) position =
    let closing =
        match opened with
        | rule :: _ -> [ None, rule.End.Value.Match(line, position) ]
        | [] -> []

    closing @ [ for rule in rules -> Some rule, rule.Begin.Match(line, position) ]
    |> List.filter (fun (_, found) -> found.Success)
    |> function
        | [] -> None
        | all -> Some(all |> List.minBy (fun (_, found) -> found.Index))

/// One line's tokens, and the rules that are open behind it.
let private tokenizeLine top opened (line: string) =
    let rec go opened position found =
        let rules =
            match opened with
            | rule :: _ -> rule.Inner.Value
            | [] -> top

        let upcoming =
            if position > line.Length then None else next rules opened line position

        match upcoming with
        | None -> found, opened
        | Some(None, at) -> go (List.tail opened) (at.Index + at.Length) found
        | Some(Some rule, at) ->
            let found = found @ tokens rule at

            match rule.End with
            | Some _ -> go (rule :: opened) (at.Index + at.Length) found
            // A match of nothing must not hold the reader up.
            | None -> go opened (at.Index + max 1 at.Length) found

    go opened 0 []

/// Each line's tokens.
let tokenize top (script: string) =
    (([], []), script.Split '\n')
    ||> Array.fold (fun (lines, opened) line ->
        let found, opened = tokenizeLine top opened line
        found :: lines, opened)
    |> fst
    |> List.rev
    |> Array.ofList
