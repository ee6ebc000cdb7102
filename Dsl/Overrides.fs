/// Settings of a train part said on the command line: `batch=64`, `optimizer.lr=0.1`, `optimizer="adam lr=1e-3"`.
/// They edit the tree, so that the canonical script is what ran.
module internal CnnCluster.Dsl.Overrides

open System.Text.RegularExpressions
open CnnCluster.Dsl.Syntax

type Override =
    {
        Key: string
        Part: string option
        Value: string
        /// The statement that replaces the one of this word; none where the value is no value.
        Statement: Statement option
        Said: Change
    }

let private wrong said message =
    Diagnostic.error (CommandLine.spanOf said) message

let private statementOf (source: Source) =
    match Parser.parse source with
    | { Declarations = [ { Kind = Train(_, { Statements = [ { Kind = Use _ } as statement ] }) } ] }, [] ->
        Some statement
    | _ -> None

/// As the script would have it, each word and value in the column that it was said in: `optimizer.lr=3` is `optimizer lr=3`.
let private rewritten (text: string) (word: string) (part: string option) =
    let behind = text.IndexOf '=' + 1
    let value = text.Substring behind
    let blanks = value.Length - value.TrimStart().Length
    let setting = part |> Option.map (fun name -> name + "=") |> Option.defaultValue ""
    let first = text.Substring(0, text.IndexOf word) + word + " "
    first.PadRight(behind + blanks - setting.Length) + setting + value.Trim()

let read (said: Change) : Result<Override, Diagnostic> =
    let text = said.Text

    match text.IndexOf '=' with
    | at when at > 0 && Regex.IsMatch(text.Substring(0, at), @"^\s*[\w-]+(\.[\w-]+)?\s*$") ->
        let word, part =
            match text.Substring(0, at).Trim().Split '.' with
            | [| word; part |] -> word, Some part
            | words -> words[0], None

        Ok
            { Key = word
              Part = part
              Value = text.Substring(at + 1).Trim()
              Statement = rewritten text word part |> CommandLine.read said |> statementOf
              Said = said }
    | _ ->
        Result.Error
            { wrong said $"'{text}' sets nothing" with
                Expected = Some "NAME=VALUE, such as batch=64, optimizer.lr=0.1 or optimizer=\"adam lr=1e-3\"" }

let private arguments (statement: Statement) =
    match statement.Kind with
    | Use(_, arguments, _) -> arguments
    | _ -> []

let private isKey part =
    function
    | Keyword(name, _) -> name.Text = part
    | Positional { Kind = Word word } -> word = part
    | _ -> false

let private withPart part (fresh: Statement) (statement: Statement) =
    match statement.Kind with
    | Use(word, given, label) ->
        // The first argument may name the entry: `optimizer sgd`.
        let named =
            match given with
            | Positional _ :: _ -> 1
            | _ -> 0

        let first, rest = List.splitAt named given
        let kept = rest |> List.filter (isKey part >> not)

        { statement with
            Kind = Use(word, first @ kept @ arguments fresh, label) }
    | _ -> statement

let private wordOf (statement: Statement) =
    match statement.Kind with
    | Use(word, _, _) -> word.Text
    | _ -> ""

/// The body with one change made.
let private apply (body: Body) (change: Override) : Result<Body, Diagnostic> =
    let mine statement = wordOf statement = change.Key

    match change.Statement, change.Part with
    | None, _ ->
        Result.Error
            { wrong change.Said $"'{change.Value}' is no value for '{change.Key}'" with
                Expected = Some "what would stand in the script" }
    | Some fresh, None ->
        let others = body.Statements |> List.filter (mine >> not)

        let at =
            body.Statements |> List.tryFindIndex mine |> Option.defaultValue others.Length

        Ok
            { body with
                Statements = List.insertAt (min at others.Length) fresh others }
    | Some _, Some part when (List.filter mine body.Statements).Length > 1 ->
        Result.Error
            { wrong
                  change.Said
                  $"the train part has '{change.Key}' several times: it is not clear whose '{part}' is to be set" with
                Expected = Some $"a whole '{change.Key}', which takes the place of all of them" }
    | Some fresh, Some part when List.exists mine body.Statements ->
        let edit statement =
            if mine statement then withPart part fresh statement else statement

        Ok
            { body with
                Statements = List.map edit body.Statements }
    | Some _, Some part ->
        Result.Error(wrong change.Said $"the train part has no '{change.Key}' whose '{part}' could be set")

/// The script with the changes made to one train part, in order; the last one said wins.
let applyTo (part: string) (changes: Override list) (script: Script) : Result<Script, Diagnostic> =
    let edit declaration =
        match declaration.Kind with
        | Train(name, body) when name.Text = part ->
            (Ok body, changes)
            ||> List.fold (fun result change -> result |> Result.bind (fun body -> apply body change))
            |> Result.map (fun body ->
                { declaration with
                    Kind = Train(name, body) })
        | _ -> Ok declaration

    (script.Declarations, Ok [])
    ||> List.foldBack (fun declaration rest ->
        match edit declaration, rest with
        | Ok edited, Ok rest -> Ok(edited :: rest)
        | Result.Error e, _ -> Result.Error e
        | _, Result.Error e -> Result.Error e)
    |> Result.map (fun declarations ->
        { script with
            Declarations = declarations })
