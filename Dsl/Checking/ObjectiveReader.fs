/// Reads the losses and metrics of a `train` part: the entries they name, and what their words mean.
module internal CnnCluster.Dsl.Checking.ObjectiveReader

open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax
open CnnCluster.Dsl.Checking.Scope
open CnnCluster.Dsl.Checking.TrainSettings
open CnnCluster.Kernels

/// What losses and metrics speak of.
type Subject =
    { Network: NetworkPlan
      Data: DataSetEntry }

/// A statement as it was read, before its words have a meaning.
type Stated<'Definition> =
    { Entry: Entry
      Chosen: Chosen<'Definition>
      On: Name option
      Target: Name option }

/// What both kinds of statement are, where they are of a kind.
type Kind<'Definition> =
    { What: string
      Catalogue: 'Definition list
      NameOf: 'Definition -> string
      Settings: 'Definition -> Setting list
      Compares: 'Definition -> Comparison }

let private weightSetting =
    Setting.Real("weight", 1.0, 0.0, 1e30, "What the loss is multiplied by in the sum that training makes less.")

/// The settings that are words, for what lists them all.
let private wordSettings =
    [ for name, doc in [ "on", "An output."; "target", "What the output is compared with." ] ->
          Setting.Real(name, 0.0, -1e30, 1e30, doc) ]

let losses: Kind<LossDefinition> =
    { What = "loss"
      Catalogue = Loss.all
      NameOf = _.Name
      Settings = fun loss -> loss.Settings @ (weightSetting :: wordSettings)
      Compares = _.Compares }

let metrics: Kind<MetricDefinition> =
    { What = "metric"
      Catalogue = Metric.all
      NameOf = _.Name
      Settings = fun metric -> metric.Settings @ wordSettings
      Compares = _.Compares }

/// The entry, its settings and its words; `None` if anything is wrong with them, which is noted.
let read sink (kind: Kind<'D>) (entry: Entry) =
    let on, rest = SettingBinder.word sink "on" "the name of an output" entry.Arguments

    let target, rest =
        SettingBinder.word sink "target" "the name of a target, or of an input" rest

    let chosen =
        choose sink kind.What kind.Catalogue kind.NameOf (fun d -> kind.Settings d) { entry with Arguments = rest }

    match on, target, chosen with
    | Some on, Some target, Some chosen ->
        Some
            { Entry = entry
              Chosen = chosen
              On = on
              Target = target }
    | _ -> None

// ---- what the words mean ----

let private outputNames subject =
    subject.Network.Outputs |> List.map _.Name

/// The output that a statement is about, by its place; `otherwise`, if it names none and there are several.
let outputOf sink subject otherwise (stated: Stated<'D>) =
    let names = outputNames subject

    match stated.On, names, otherwise with
    | Some name, _, _ ->
        let found = names |> List.tryFindIndex ((=) name.Text)

        if found.IsNone then
            { Diagnostic.error name.Span $"'{subject.Network.Name}' has no output '{name.Text}'" with
                Expected = Some(Suggestion.listed names) }
            |> Suggestion.among names name.Text
            |> report sink

        found
    | None, [ _ ], _ -> Some 0
    | None, _, Some output -> Some output
    | None, _, None ->
        expected
            sink
            stated.Entry.Span
            $"'{subject.Network.Name}' has several outputs: '{stated.Entry.Word.Text}' needs the one it is about"
            (names |> List.map (fun name -> $"on={name}") |> Suggestion.listed)

/// What a statement compares with; `otherwise`, if it does not say.
let targetOf sink subject otherwise (stated: Stated<'D>) =
    let targets = subject.Data.Targets |> Seq.map _.Name |> List.ofSeq
    let inputs = subject.Network.Inputs |> List.map _.Name
    let placeIn names (name: Name) = List.tryFindIndex ((=) name.Text) names

    match stated.Target with
    | None -> Some otherwise
    | Some name ->
        match placeIn targets name, placeIn inputs name with
        | Some target, _ -> Some(OfData target)
        | None, Some input -> Some(OfInput input)
        | None, None when name.Text = "input" && inputs.Length = 1 -> Some(OfInput 0)
        | None, None when name.Text = "input" ->
            expected
                sink
                name.Span
                $"'{subject.Network.Name}' has several inputs: which one is the target?"
                (Suggestion.listed inputs)
        | None, None ->
            let names = targets @ inputs

            { Diagnostic.error name.Span $"'{name.Text}' is no target" with
                Expected = Some(Suggestion.listed names) }
            |> Suggestion.among names name.Text
            |> report sink

            None
