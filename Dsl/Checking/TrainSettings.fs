/// The statements of a `train` part, one by one.
module internal CnnCluster.Dsl.Checking.TrainSettings

open System
open System.Collections.Generic
open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax
open CnnCluster.Dsl.Checking.Scope
open CnnCluster.Dsl.Checking.Evaluation
open CnnCluster.Kernels
open CnnCluster.Kernels.Optimization

/// One statement of the part.
type Entry =
    { Word: Name
      Arguments: Argument list
      Span: Span }

/// Sorts the statements by their words; what has no place here is noted.
let entries (sink: Sink) (body: Body) =
    let found = Dictionary<string, ResizeArray<Entry>>()

    let add (word: Name) arguments span =
        match TrainStatements.all |> List.tryFind (fun known -> known.Name = word.Text) with
        | None ->
            Diagnostic.error word.Span $"'{word.Text}' is no setting of a train part"
            |> Suggestion.amongOrAll
                (List.map (fun (known: TrainStatement) -> known.Name) TrainStatements.all)
                word.Text
            |> report sink
        | Some { Repeats = false } when found.ContainsKey word.Text ->
            let first = (Seq.head found[word.Text]).Word.Span.Start.Line
            report sink (Diagnostic.error word.Span $"'{word.Text}' stands on line {first} already")
        | Some _ ->
            let entry =
                { Word = word
                  Arguments = arguments
                  Span = span }

            match found.TryGetValue word.Text with
            | true, list -> list.Add entry
            | _ -> found.Add(word.Text, ResizeArray [ entry ])

    for statement in body.Statements do
        match statement.Kind with
        | Use(word, arguments, None) -> add word arguments statement.Span
        | Unread _ -> ()
        | _ ->
            expected sink statement.Span "this has no place in a train part" "settings, such as: batch 32"
            |> ignore

    fun word ->
        match found.TryGetValue word with
        | true, list -> List.ofSeq list
        | _ -> []

/// `optimizer sgd lr=0.01`: an entry of a catalogue and its settings.
let choose
    sink
    what
    (catalogue: 'D seq)
    (nameOf: 'D -> string)
    (settingsOf: 'D -> IReadOnlyList<Setting>)
    (entry: Entry)
    =
    let names = catalogue |> Seq.map nameOf |> List.ofSeq

    match entry.Arguments with
    | Positional { Kind = Word word; Span = span } :: rest ->
        match catalogue |> Seq.tryFind (fun d -> nameOf d = word) with
        | Some definition ->
            SettingBinder.bind sink word span (settingsOf definition) rest
            |> Option.map (fun settings ->
                { Definition = definition
                  Settings = settings })
        | None ->
            { Diagnostic.error span $"no {what} is called '{word}'" with
                Expected = Some(Suggestion.listed names) }
            |> Suggestion.among names word
            |> report sink

            None
    | Positional { Kind = Call(name, _) } :: _ ->
        expected
            sink
            name.Span
            $"'{name.Text}' takes its values by name, without parentheses"
            $"{entry.Word.Text} {name.Text}, and settings as in key=value"
    | _ -> expected sink entry.Span $"'{entry.Word.Text}' stands without a name" (Suggestion.listed names)

/// `batch 32`: one whole number.
let wholeOf sink least otherwise (found: Entry list) =
    match found with
    | [] -> Some otherwise
    | entry :: _ ->
        match entry.Arguments with
        | [ Positional value ] -> whole sink Scope.empty least value
        | _ -> expected sink entry.Span $"'{entry.Word.Text}' takes one number" $"{entry.Word.Text} {otherwise}"

let seedOf sink (found: Entry list) =
    match found with
    | [] -> Some 0UL
    | entry :: _ ->
        match entry.Arguments with
        | [ Positional value ] ->
            number sink Scope.empty value
            |> Option.bind (fun seed ->
                if seed >= 0.0 && seed = floor seed && seed <= float Limits.GreatestSeed then
                    Some(uint64 seed)
                else
                    expected sink value.Span $"{Printer.number seed} is no seed" "a whole number from 0 to 2^53 - 1")
        | _ -> expected sink entry.Span "'seed' takes one number" "seed 42"

let precisionOf sink (found: Entry list) =
    match found with
    | [] -> Some Precision.Float32
    | entry :: _ ->
        match entry.Arguments with
        | [ Positional { Kind = Word "float32" } ] -> Some Precision.Float32
        | [ Positional { Kind = Word "float64" } ] -> Some Precision.Float64
        | [ Positional { Kind = Word "bfloat16" } ] -> Some Precision.BFloat16
        | [ Positional { Kind = Word "float16" } ] -> Some Precision.Float16
        | _ ->
            expected
                sink
                entry.Span
                "'precision' takes the type to compute with"
                "float32, float64, bfloat16 or float16"

let private settingsOf sink (statement: TrainStatement) (entry: Entry) =
    SettingBinder.bind sink entry.Word.Text entry.Word.Span statement.Settings entry.Arguments

let splitOf sink (found: Entry list) =
    match found with
    | [] -> Some 0.0
    | entry :: _ ->
        settingsOf sink TrainStatements.validation entry
        |> Option.map (fun values -> values["split"])

/// The parts that a batch is cut into, if the run is to be exact.
let shardsOf sink (found: Entry list) : int option option =
    match found with
    | [] -> Some None
    | entry :: _ ->
        settingsOf sink TrainStatements.exact entry
        |> Option.map (fun values -> Some(int values["shards"]))

let clippingOf sink (found: Entry list) : GradientClipping option option =
    match found with
    | [] -> Some None
    | entry :: _ ->
        settingsOf sink TrainStatements.clip entry
        |> Option.bind (fun values ->
            match values["value"], values["norm"], values["global-norm"] with
            | limit, 0.0, 0.0 when limit > 0.0 -> Some(Some(GradientClipping(ClippingKind.Value, limit)))
            | 0.0, limit, 0.0 when limit > 0.0 -> Some(Some(GradientClipping(ClippingKind.Norm, limit)))
            | 0.0, 0.0, limit when limit > 0.0 -> Some(Some(GradientClipping(ClippingKind.GlobalNorm, limit)))
            | _ -> expected sink entry.Span "'clip' takes one bound" "value=…, norm=… or global-norm=…")
