namespace CnnCluster.Dsl

open System.Collections.Generic
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

module private Parts =
    let networks script =
        [ for d in script.Declarations do
              match d.Kind with
              | Network(name, body) -> name, body
              | _ -> () ]

    let trains script =
        [ for d in script.Declarations do
              match d.Kind with
              | Train(name, body) -> name, body
              | _ -> () ]

    let blocks script =
        [ for d in script.Declarations do
              match d.Kind with
              | Block(name, _, _)
              | Shared(name, _) -> name.Text
              | _ -> () ]

    let nowhere (source: Source) =
        { Span.nowhere with File = source.File }

    /// Whether a declaration could not be read, and so may be the one that is missing.
    let incomplete script =
        script.Declarations |> List.exists (fun d -> d.Kind = UnreadDeclaration)

    /// The part of this name, or the only one.
    let pick (sink: Scope.Sink) source script what (name: string | null) (parts: (Name * Body) list) =
        let names = parts |> List.map (fun (n, _) -> n.Text)

        match name, parts with
        | null, [ one ] -> Some one
        | _, [] when incomplete script -> None
        | null, [] -> Scope.fail sink (nowhere source) $"the script has no {what}"
        | null, _ ->
            Scope.expected
                sink
                (nowhere source)
                $"the script has several {what}s"
                $"FILE:NAME, with {Suggestion.listed names}"
        | name, _ ->
            match parts |> List.tryFind (fun (n, _) -> n.Text = name) with
            | Some part -> Some part
            | None ->
                Diagnostic.error (nowhere source) $"the script has no {what} '{name}'"
                |> Suggestion.among names name
                |> Scope.report sink

                None

    let twice (sink: Scope.Sink) what (parts: (Name * Body) list) =
        for _, same in parts |> List.groupBy (fun (n, _) -> n.Text) do
            for name, _ in List.tail same do
                Scope.report sink (Diagnostic.error name.Span $"a {what} '{name.Text}' is there already")

    let imports (sink: Scope.Sink) script =
        for declaration in script.Declarations do
            match declaration.Kind with
            | Import(_, span) ->
                Scope.report sink (Diagnostic.error span "imports cannot be compiled by this version yet")
            | _ -> ()

    let networkOf sink script (train: Name) =
        match networks script |> List.tryFind (fun (n, _) -> n.Text = train.Text) with
        | Some network -> Some network
        | None when incomplete script -> None
        | None ->
            let names = networks script |> List.map (fun (n, _) -> n.Text)

            { Diagnostic.error train.Span $"there is no network '{train.Text}' to train" with
                Expected = Some(Suggestion.listed names) }
            |> Suggestion.among names train.Text
            |> Scope.report sink

            None

    let training sink catalogues script (name: Name) body =
        let data = TrainChecker.dataOf (Scope.Sink()) catalogues name body

        let network =
            networkOf sink script name
            |> Option.bind (fun (n, b) ->
                let sample = data |> Option.map (fun d -> TrainChecker.sampleShape d.Definition)
                NetworkChecker.check sink sample (blocks script) n b)

        TrainChecker.check sink catalogues network name body

    let result sources (sink: Scope.Sink) value =
        { Value = if Report.hasErrors sink then null else Option.toObj value
          Diagnostics = Report.ordered sink
          Sources = sources }

/// The language's front door: text in, plans out. Nothing here reads a file or runs a network.
[<AbstractClass; Sealed>]
type Script private () =
    /// Reads a script's form only.
    static member private Read(source: Source) =
        let tree, diagnostics = Parser.parse source
        let sink = Scope.Sink diagnostics
        Parts.imports sink tree
        Parts.twice sink "network" (Parts.networks tree)
        Parts.twice sink "train part" (Parts.trains tree)
        tree, sink

    /// The names of a script's networks and train parts.
    static member Names(source: Source) : IReadOnlyList<string> =
        let tree, _ = Parser.parse source
        [ for name, _ in Parts.networks tree @ Parts.trains tree -> name.Text ]

    /// Every mistake in all of a script's networks and train parts. The value is the canonical script.
    static member Check(source: Source, catalogues: Catalogues) : ScriptResult<string> =
        let tree, sink = Script.Read source

        for name, body in Parts.trains tree do
            Parts.training sink catalogues tree name body |> ignore

        let trained = Parts.trains tree |> List.map (fun (n, _) -> n.Text)

        for name, body in Parts.networks tree do
            if not (List.contains name.Text trained) then
                NetworkChecker.check sink None (Parts.blocks tree) name body |> ignore

        if sink.Count = 0 && List.isEmpty tree.Declarations then
            Scope.expected sink (Parts.nowhere source) "the script is empty" "a network, as in: network LeNet5 { … }"
            |> ignore

        Parts.result [ source ] sink (Some(Printer.print tree))

    /// The plan of one network. `input` fills in the sides that the script leaves open, null for none.
    static member Network(source: Source, name: string | null, input: Shape | null) : ScriptResult<NetworkPlan> =
        let tree, sink = Script.Read source

        let plan =
            Parts.pick sink source tree "network" name (Parts.networks tree)
            |> Option.bind (fun (n, body) -> NetworkChecker.check sink (Option.ofObj input) (Parts.blocks tree) n body)

        Parts.result [ source ] sink plan

    /// One train part with its network, after the changes that the command line asks for.
    static member Training
        (source: Source, name: string | null, changes: IReadOnlyList<string>, catalogues: Catalogues)
        : ScriptResult<Training> =
        let tree, sink = Script.Read source

        let read =
            [ for change in changes do
                  match Overrides.read change with
                  | Ok change -> change
                  | Result.Error diagnostic -> Scope.report sink diagnostic ]

        let part = Parts.pick sink source tree "train part" name (Parts.trains tree)

        let changed =
            part
            |> Option.bind (fun (n, _) ->
                match Overrides.applyTo n.Text read tree with
                | Ok tree -> Some tree
                | Result.Error diagnostic ->
                    Scope.report sink diagnostic
                    None)

        let training =
            match part, changed with
            | Some(n, _), Some tree ->
                let body =
                    Parts.trains tree |> List.find (fun (other, _) -> other.Text = n.Text) |> snd

                Parts.training sink catalogues tree n body
                |> Option.map (fun plan ->
                    { Plan = plan
                      Canonical = Printer.print tree })
            | _ -> None

        Parts.result (source :: (read |> List.map _.Source)) sink training
