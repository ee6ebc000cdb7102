namespace CnnCluster.Dsl

open System.Collections.Generic
open System.Runtime.InteropServices
open CnnCluster.Dsl.Syntax
open CnnCluster.Dsl.Checking

/// What came of reading a script: a value if it was right, and what there is to say about it.
type ScriptResult<'T when 'T: not null and 'T: not struct> =
    {
        /// Null if there are errors.
        Value: 'T | null
        Diagnostics: IReadOnlyList<Diagnostic>
        Sources: IReadOnlyList<Source>
    }

    member result.HasErrors = Report.hasErrors result.Diagnostics

    /// The diagnostics for people, one under the other.
    member result.Text = Report.renderAll result.Sources result.Diagnostics

/// A train part, ready to run.
type Training =
    {
        Plan: TrainPlan
        /// The canonical script, changes made: what nodes read, and what the run's folder keeps.
        Canonical: string
    }

/// A script as it was read: imports put in, words known, its form checked.
type internal Reading =
    { Tree: Syntax.Script
      Sources: Source list
      Sink: Scope.Sink
      Words: Declared.Words
      Catalogues: Catalogues }

module private Parts =
    let private named select (script: Syntax.Script) =
        script.Declarations |> List.choose (fun d -> select d.Kind)

    let networks script =
        script
        |> named (function
            | Network(name, body) -> Some(name, body)
            | _ -> None)

    let trains script =
        script
        |> named (function
            | Train(name, body) -> Some(name, body)
            | _ -> None)

    let nowhere (source: Source) =
        { Span.nowhere with File = source.File }

    /// Whether a declaration could not be read, and so may be the one that is missing.
    let incomplete script =
        script.Declarations |> List.exists (fun d -> d.Kind = UnreadDeclaration)

    let twice (sink: Scope.Sink) what (parts: (Name * Body) list) =
        for _, same in parts |> List.groupBy (fun (n, _) -> n.Text) do
            for name, _ in List.tail same do
                Scope.report sink (Diagnostic.error name.Span $"a {what} '{name.Text}' is there already")

    let read (source: Source) (catalogues: Catalogues) importer =
        let sink = Scope.Sink()
        let tree, sources = Imports.read sink importer source
        twice sink "network" (networks tree)
        twice sink "train part" (trains tree)

        { Tree = tree
          Sources = sources
          Sink = sink
          Words = Declared.ofScript sink (List.ofSeq catalogues.Layers) tree
          Catalogues = catalogues }

    /// The part of this name, or the only one.
    let pick reading what (name: string | null) (parts: (Name * Body) list) =
        let names = parts |> List.map (fun (n, _) -> n.Text)
        let sink, place = reading.Sink, nowhere reading.Sources.Head

        match name, parts with
        | null, [ one ] -> Some one
        | _, [] when incomplete reading.Tree -> None
        | null, [] ->
            let form =
                if what = "network" then
                    "network NAME { input …; layers }"
                else
                    "train NAME { data …; loss …; optimizer … }, with the network's name"

            Scope.expected sink place $"the script has no {what}" form
        | null, _ ->
            Scope.expected sink place $"the script has several {what}s" $"FILE:NAME, with {Suggestion.listed names}"
        | name, _ ->
            match parts |> List.tryFind (fun (n, _) -> n.Text = name) with
            | Some part -> Some part
            | None ->
                Diagnostic.error place $"the script has no {what} '{name}'"
                |> Suggestion.amongOrAll names name
                |> Scope.report sink

                None

    let private networkOf reading (train: Name) =
        match networks reading.Tree |> List.tryFind (fun (n, _) -> n.Text = train.Text) with
        | Some network -> Some network
        | None when incomplete reading.Tree -> None
        | None ->
            let names = networks reading.Tree |> List.map (fun (n, _) -> n.Text)

            { Diagnostic.error train.Span $"there is no network '{train.Text}' to train" with
                Expected = Some(Suggestion.listed names) }
            |> Suggestion.among names train.Text
            |> Scope.report reading.Sink

            None

    let network reading samples (name: Name, body) =
        NetworkChecker.check reading.Sink reading.Words samples name body

    let training reading (name: Name, body) =
        let data = TrainChecker.dataOf (Scope.Sink()) reading.Catalogues name body

        let samples input number =
            data |> Option.bind (fun d -> DataChecker.sampleFor d.Definition input number)

        let plan = networkOf reading name |> Option.bind (network reading samples)
        TrainChecker.check reading.Sink reading.Catalogues plan name body

    /// The canonical script; one that is too long to be sent and read again is a mistake.
    let canonical reading tree =
        let text = Printer.print tree

        Limits.exceededInCanonicalForm reading.Sources.Head.File text
        |> Option.iter (Scope.report reading.Sink)

        text

    /// What the script itself declares for nothing. A file without networks is there for others to import.
    let warnOfUnused reading =
        let here (span: Span) = span.File = reading.Sources.Head.File

        let own = networks reading.Tree |> List.exists (fun (name, _) -> here name.Span)

        if own && not (Report.hasErrors reading.Sink) then
            for KeyValue(name, declared) in reading.Words.Units do
                if here declared.Name.Span && not (reading.Sink.Used.Contains declared.Name.Span) then
                    Scope.report reading.Sink (Diagnostic.warning declared.Name.Span $"'{name}' is never used")

    let result reading sources value =
        { Value = if Report.hasErrors reading.Sink then null else Option.toObj value
          Diagnostics = Report.ordered reading.Sink
          Sources = reading.Sources @ sources }

/// The language's front door: text in, plans out. Nothing here reads a file or runs a network; what scripts import is
/// read by the caller's importer, null where nothing can be imported.
[<AbstractClass; Sealed>]
type Script private () =
    /// The names of a script's networks and train parts.
    static member Names
        (source: Source, [<Optional; DefaultParameterValue(null: Importer | null)>] importer: Importer | null)
        : IReadOnlyList<string> =
        let tree, _ = Imports.read (Scope.Sink()) importer source
        [ for name, _ in Parts.networks tree @ Parts.trains tree -> name.Text ]

    /// Every mistake in all of a script's networks and train parts. The value is the canonical script.
    static member Check
        (
            source: Source,
            catalogues: Catalogues,
            [<Optional; DefaultParameterValue(null: Importer | null)>] importer: Importer | null
        ) : ScriptResult<string> =
        let reading = Parts.read source catalogues importer
        let tree = reading.Tree

        for part in Parts.trains tree do
            Parts.training reading part |> ignore

        let trained = Parts.trains tree |> List.map (fun (n, _) -> n.Text)

        for name, body in Parts.networks tree do
            if not (List.contains name.Text trained) then
                Parts.network reading (fun _ _ -> None) (name, body) |> ignore

        if reading.Sink.Count = 0 && List.isEmpty tree.Declarations then
            Scope.expected
                reading.Sink
                (Parts.nowhere source)
                "the script is empty"
                "a network, as in: network LeNet5 { … }"
            |> ignore

        Unreached.check reading.Sink reading.Words tree
        Parts.warnOfUnused reading

        let print = if List.isEmpty trained then Printer.print else Parts.canonical reading

        Parts.result reading [] (Some(print tree))

    /// The plan of one network. `inputs` fill in the sides that the script leaves open, input by input.
    static member Network
        (
            source: Source,
            name: string | null,
            inputs: IReadOnlyList<Shape>,
            catalogues: Catalogues,
            [<Optional; DefaultParameterValue(null: Importer | null)>] importer: Importer | null
        ) : ScriptResult<NetworkPlan> =
        let reading = Parts.read source catalogues importer

        Parts.pick reading "network" name (Parts.networks reading.Tree)
        |> Option.bind (Parts.network reading (fun _ number -> Seq.tryItem number inputs))
        |> Parts.result reading []

    /// One train part with its network, after the changes that the command line asks for.
    static member Training
        (
            source: Source,
            name: string | null,
            changes: IReadOnlyList<Change>,
            catalogues: Catalogues,
            [<Optional; DefaultParameterValue(null: Importer | null)>] importer: Importer | null
        ) : ScriptResult<Training> =
        let reading = Parts.read source catalogues importer

        let read =
            [ for change in changes do
                  match Overrides.read change with
                  | Ok change -> change
                  | Result.Error diagnostic -> Scope.report reading.Sink diagnostic ]

        let part = Parts.pick reading "train part" name (Parts.trains reading.Tree)

        let changed =
            part
            |> Option.bind (fun (n, _) ->
                match Overrides.applyTo n.Text read reading.Tree with
                | Ok tree -> Some tree
                | Result.Error diagnostic ->
                    Scope.report reading.Sink diagnostic
                    None)

        let training =
            match part, changed with
            | Some(n, _), Some tree ->
                let changedPart =
                    Parts.trains tree |> List.find (fun (other, _) -> other.Text = n.Text)

                Parts.training { reading with Tree = tree } changedPart
                |> Option.map (fun plan ->
                    { Plan = plan
                      Canonical = Parts.canonical reading tree })
            | _ -> None

        Parts.result reading (changes |> Seq.map CommandLine.shown |> List.ofSeq) training
