/// Gives the settings of an optimizer, a schedule, a data set and the like their values.
module internal CnnCluster.Dsl.Checking.SettingBinder

open System.Collections.Generic
open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax
open CnnCluster.Dsl.Checking.Scope
open CnnCluster.Dsl.Checking.Evaluation
open CnnCluster.Kernels

/// What a setting takes, in words.
let range (setting: Setting) =
    let below = setting.Maximum < 1e15

    match setting.Kind with
    | SettingKind.Flag -> "yes or no"
    | SettingKind.Ascending ->
        $"a list of whole numbers from {Printer.number setting.Minimum} on, as in [1 2 3], each greater than the last"
    | SettingKind.Whole when below ->
        $"a whole number from {Printer.number setting.Minimum} to {Printer.number setting.Maximum}"
    | SettingKind.Whole -> $"a whole number of at least {Printer.number setting.Minimum}"
    | _ when setting.StaysBelow ->
        $"a number of at least {Printer.number setting.Minimum} and less than {Printer.number setting.Maximum}"
    | _ when below -> $"a number from {Printer.number setting.Minimum} to {Printer.number setting.Maximum}"
    | _ -> $"a number of at least {Printer.number setting.Minimum}"

/// A row of rising whole numbers.
let private ascending sink (setting: Setting) (expression: Expression) =
    let rising (row: float list) =
        row |> List.forall (fun value -> value = floor value && setting.Allows value)
        && row |> List.pairwise |> List.forall (fun (a, b) -> a < b)

    let wrong () =
        expected sink expression.Span $"this is no value for '{setting.Name}'" (range setting)

    match evaluate sink Scope.empty expression with
    | Some(OfRows rows) ->
        match numbers sink expression rows with
        | Some [ row ] when not row.IsEmpty && rising row -> Some row
        | Some _ -> wrong ()
        | None -> None
    | Some _ -> wrong ()
    | None -> None

let private convert sink (setting: Setting) (expression: Expression) =
    match setting.Kind with
    | SettingKind.Flag ->
        Conversion.yesNo sink Scope.empty expression
        |> Option.map (fun yes -> if yes then 1.0 else 0.0)
    | kind ->
        number sink Scope.empty expression
        |> Option.bind (fun value ->
            let whole = kind <> SettingKind.Whole || value = floor value

            if whole && setting.Allows value then
                Some value
            else
                expected
                    sink
                    expression.Span
                    $"{Printer.number value} is no value for '{setting.Name}'"
                    (range setting))

let private unknown sink owner (settings: Setting seq) (name: string) span =
    let names = settings |> Seq.map _.Name |> List.ofSeq

    { Diagnostic.error span $"'{owner}' has no setting '{name}'" with
        Expected =
            match names with
            | [] -> None
            | _ -> Some(Suggestion.listed names) }
    |> Suggestion.among names name
    |> report sink

/// Splits off the setting whose value is a word. Of the value, `None` is a mistake, which is noted.
let word sink (key: string) (takes: string) (arguments: Argument list) =
    let own, rest =
        arguments
        |> List.partition (function
            | Keyword(name, _) -> name.Text = key
            | Positional { Kind = Word word } -> word = key
            | _ -> false)

    let value =
        match own with
        | [] -> Some None
        | [ Keyword(_, { Kind = Word word; Span = span }) ] -> Some(Some { Text = word; Span = span })
        | [ Keyword(_, { Span = span }) ] -> expected sink span $"'{key}' takes a word" takes
        | [ Positional { Span = span } ] -> expected sink span $"'{key}' needs a value" takes
        | several ->
            match List.last several with
            | Keyword({ Span = span }, _)
            | Positional { Span = span }
            | Branch { Span = span } -> fail sink span $"'{key}' has a value already"

    value, rest

/// The values of all settings; `None` if anything is wrong with them, which is noted.
let bind (sink: Sink) owner (ownerSpan: Span) (settings: IReadOnlyList<Setting>) (arguments: Argument list) =
    let before = sink.Count
    let values = Dictionary<string, float>()
    let lists = Dictionary<string, IReadOnlyList<float>>()
    let given = HashSet<string>()

    let give (name: string) span (take: Setting -> unit) =
        match settings |> Seq.tryFind (fun s -> s.Name = name) with
        | None -> unknown sink owner settings name span
        | Some setting when not (given.Add setting.Name) ->
            report sink (Diagnostic.error span $"'{name}' has a value already")
        | Some setting -> take setting

    let keyword expression (setting: Setting) =
        if setting.Kind = SettingKind.Ascending then
            ascending sink setting expression
            |> Option.iter (fun row -> lists[setting.Name] <- row)
        else
            convert sink setting expression
            |> Option.iter (fun value -> values[setting.Name] <- value)

    let flag span (setting: Setting) =
        if setting.Kind = SettingKind.Flag then
            values[setting.Name] <- 1.0
        else
            expected sink span $"'{setting.Name}' needs a value" $"{setting.Name}=…, {range setting}"
            |> ignore

    for argument in arguments do
        match argument with
        | Keyword(key, expression) -> give key.Text key.Span (keyword expression)
        | Positional({ Kind = Word word } as expression) -> give word expression.Span (flag expression.Span)
        | Positional expression when Seq.isEmpty settings ->
            report sink (Diagnostic.error expression.Span $"'{owner}' takes no values")
        | Positional expression ->
            report
                sink
                { Diagnostic.error expression.Span $"'{owner}' takes its values by name" with
                    Expected = Some(settings |> Seq.map (fun s -> s.Name + "=…") |> Suggestion.listed) }
        | Branch body -> report sink (Diagnostic.error body.Span $"'{owner}' takes no braces")

    for setting in settings do
        if not (given.Contains setting.Name) then
            if setting.Default.HasValue then
                values[setting.Name] <- setting.Default.Value
            elif sink.Count = before then
                expected sink ownerSpan $"'{owner}' needs '{setting.Name}'" (Suggestion.phrase setting.Doc)
                |> ignore

    if sink.Count > before then None else Some(SettingValues(values, lists))
